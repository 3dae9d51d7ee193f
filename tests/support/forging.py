"""The forger's tools: any header, any claims, any signature, and a long list of false tokens.

A list is made from one World: a good token, the key that signed it and a dock's key.  Tokens that
only the server's own key could sign are here as well: claims must be refused for themselves.
"""

import hmac
import json
from base64 import standard_b64encode, urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from hashlib import sha256
from typing import Any
from uuid import UUID, uuid4

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from auth.keys import fingerprint, jwk_of

ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""Of the group of P-256."""

Members = Mapping[str, Any]


def b64(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def as_json(value: object) -> bytes:
    return value if isinstance(value, bytes) else json.dumps(value, separators=(",", ":")).encode()


def es256(key: ec.EllipticCurvePrivateKey, signed: bytes, *, high_s: bool = False) -> bytes:
    r, s = decode_dss_signature(key.sign(signed, ec.ECDSA(hashes.SHA256())))
    s = max(s, ORDER - s) if high_s else min(s, ORDER - s)
    return r.to_bytes(32) + s.to_bytes(32)


def sign(header: object, payload: object, key: ec.EllipticCurvePrivateKey) -> str:
    """Sign any header over any payload with ES256, whatever the header says."""
    signed = f"{b64(as_json(header))}.{b64(as_json(payload))}"
    return f"{signed}.{b64(es256(key, signed.encode()))}"


@cache
def some_rsa_key() -> rsa.RSAPrivateKey:
    """Somebody's key, made once: it takes long."""
    return rsa.generate_private_key(65537, 2048)


def rs256(header: object, payload: object, key: rsa.RSAPrivateKey) -> str:
    """Sign any header over any payload with RS256, whatever the header says."""
    signed = f"{b64(as_json(header))}.{b64(as_json(payload))}"
    return f"{signed}.{b64(key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256()))}"


def hs256(header: object, payload: object, secret: bytes) -> str:
    signed = f"{b64(as_json(header))}.{b64(as_json(payload))}"
    return f"{signed}.{b64(hmac.digest(secret, signed.encode(), 'sha256'))}"


@dataclass(frozen=True)
class World:
    """One good token, the key that signed it, and a dock that may sign in."""

    token: str
    header: dict[str, Any]
    claims: dict[str, Any]
    key: ec.EllipticCurvePrivateKey
    dock_id: UUID
    dock_key: ec.EllipticCurvePrivateKey
    at: datetime


def read(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return header and claims of a token, unverified."""
    header, payload, _ = (part + "=" * (-len(part) % 4) for part in token.split("."))
    return json.loads(urlsafe_b64decode(header)), json.loads(urlsafe_b64decode(payload))


def dock_statement(
    dock_id: UUID,
    key: ec.EllipticCurvePrivateKey,
    *,
    audience: str,
    at: datetime,
    header: Members | None = None,
    leave_out: tuple[str, ...] = (),
    **changes: Any,
) -> str:
    """Sign a dock in, as the dock client does; `changes` replace claims, `leave_out` drops some."""
    seconds = int(at.timestamp())
    claims = {
        "iss": str(dock_id),
        "sub": str(dock_id),
        "aud": audience,
        "jti": str(uuid4()),
        "iat": seconds,
        "exp": seconds + 300,
        **changes,
    }
    return sign(
        {"alg": "ES256", "typ": "JWT"} if header is None else header,
        {name: value for name, value in claims.items() if name not in leave_out},
        key,
    )


def dock_proof(
    key: ec.EllipticCurvePrivateKey,
    method: str,
    address: str,
    *,
    at: datetime,
    token: str | None = None,
    header: Members | None = None,
    leave_out: tuple[str, ...] = (),
    **changes: Any,
) -> str:
    """Prove possession of a key for one request, as the dock client does; `changes` replace claims."""
    claims: dict[str, Any] = {"jti": str(uuid4()), "htm": method, "htu": address, "iat": int(at.timestamp())}
    if token is not None:
        claims["ath"] = b64(sha256(token.encode()).digest())
    claims |= changes
    return sign(
        {"alg": "ES256", "typ": "dpop+jwt", "jwk": jwk_of(key.public_key())} if header is None else header,
        {name: value for name, value in claims.items() if name not in leave_out},
        key,
    )


def attacks(world: World) -> dict[str, str]:
    """Name -> a text that must never sign anybody in."""
    return {
        **_without_signature(world),
        **_other_algorithms(world),
        **_keys_brought_along(world),
        **_headers(world),
        **_claims(world),
        **_tampered(world),
        **_spellings(world),
        **_confusions(world),
    }


def strangers(world: World) -> dict[str, str]:
    """Name -> a token that is good in itself but names nobody whom the database knows."""
    subjects = {
        "sub of nobody": f"account/{UUID(int=0)}",
        "sub of no dock": f"dock/{uuid4()}",
        "sub of an account as dock": "dock/" + world.claims["sub"].partition("/")[2],
        "sub of a dock as account": f"account/{world.dock_id}",
    }
    bound = {"cnf": {"jkt": fingerprint(jwk_of(world.dock_key.public_key()))}, "amr": ["swk"]}
    return {
        name: sign(world.header, world.claims | {"sub": sub} | (bound if sub.startswith("dock") else {}), world.key)
        for name, sub in subjects.items()
    }


def rsa_attacks(header: Members, claims: Members, key: rsa.RSAPrivateKey) -> dict[str, str]:
    """Name -> a text that must not pass where the good token is signed RS256 with this key."""
    header = {**header, "alg": "RS256"}
    token = rs256(header, claims, key)
    head, payload, signature = token.split(".")
    signed, raw = f"{head}.{payload}".encode(), urlsafe_b64decode(signature + "==")
    size = (key.key_size + 7) // 8
    modulus = key.public_key().public_numbers().n
    pem = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    pkcs1 = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.PKCS1)
    other = some_rsa_key()
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), hashes.SHA256().digest_size)

    def with_signature(made: bytes, **members: object) -> str:
        if not members:
            return f"{head}.{payload}.{b64(made)}"
        return f"{b64(as_json({**header, **members}))}.{payload}.{b64(made)}"

    forged = {
        "RSA: another key under this kid": rs256(header, claims, other),
        "RSA: alg ES256 over an RSA signature": rs256({**header, "alg": "ES256"}, claims, key),
        "RSA: alg RS512 over it": rs256({**header, "alg": "RS512"}, claims, key),
        "RSA: really RS512": with_signature(key.sign(signed, padding.PKCS1v15(), hashes.SHA512())),
        "RSA: really SHA-1": with_signature(key.sign(signed, padding.PKCS1v15(), hashes.SHA1())),
        "RSA: PSS under the name RS256": with_signature(key.sign(signed, pss, hashes.SHA256())),
        "RSA: alg PS256": with_signature(key.sign(signed, pss, hashes.SHA256()), alg="PS256"),
        "RSA: signature of another text": with_signature(key.sign(b"x", padding.PKCS1v15(), hashes.SHA256())),
        "RSA: signature zero": with_signature(bytes(size)),
        "RSA: signature one": with_signature((1).to_bytes(size)),
        "RSA: signature n - 1": with_signature((modulus - 1).to_bytes(size)),
        "RSA: the padded digest itself": with_signature(
            b"\x00\x01" + b"\xff" * (size - 35) + b"\x00" + sha256(signed).digest()
        ),
        "RSA: signature with a zero in front": with_signature(b"\0" + raw),
        "RSA: signature with a zero behind": with_signature(raw + b"\0"),
        "RSA: signature cut": with_signature(raw[:-1]),
        "RSA: signature plus n": with_signature((int.from_bytes(raw) + modulus).to_bytes(size + 1)),
        "RSA: no signature": with_signature(b""),
        "RSA: kid of the EC key": rs256({**header, "kid": "ec-1"}, claims, key),
    }
    for name, secret in {"PEM": pem, "PKCS1": pkcs1, "PEM without its last newline": pem.rstrip()}.items():
        forged[f"RSA: HS256 keyed with the {name}"] = hs256({**header, "alg": "HS256"}, claims, secret)
        forged[f"RSA: HMAC under the name RS256 with the {name}"] = hs256(header, claims, secret)
    return forged


def _without_signature(world: World) -> dict[str, str]:
    head, payload, signature = world.token.split(".")
    header = world.header
    forged = {
        f"alg {name}": f"{b64(as_json({**header, 'alg': name}))}.{payload}."
        for name in ("none", "None", "NONE", "nOnE")
    }
    forged |= {
        "alg none, signature kept": f"{b64(as_json({**header, 'alg': 'none'}))}.{payload}.{signature}",
        "alg null": f"{b64(as_json({**header, 'alg': None}))}.{payload}.{signature}",
        "alg missing": f"{b64(as_json({k: v for k, v in header.items() if k != 'alg'}))}.{payload}.{signature}",
        "alg a list": sign({**header, "alg": ["ES256"]}, world.claims, world.key),
        "alg an empty list": sign({**header, "alg": []}, world.claims, world.key),
        "alg lower case": sign({**header, "alg": "es256"}, world.claims, world.key),
        "alg with a blank": sign({**header, "alg": "ES256 "}, world.claims, world.key),
        "alg a prefix": sign({**header, "alg": "ES"}, world.claims, world.key),
        "no signature": f"{head}.{payload}.",
        "signature of one byte": f"{head}.{payload}.AA",
    }
    numbers = {"0": 0, "1": 1, "n-1": ORDER - 1, "n": ORDER, "2^256-1": (1 << 256) - 1}
    for r_name, r in numbers.items():
        for s_name, s in numbers.items():
            forged[f"psychic r={r_name} s={s_name}"] = f"{head}.{payload}.{b64(r.to_bytes(32) + s.to_bytes(32))}"
    signed = f"{head}.{payload}".encode()
    raw = es256(world.key, signed)
    forged |= {
        "DER signature": f"{head}.{payload}."
        + b64(encode_dss_signature(int.from_bytes(raw[:32]), int.from_bytes(raw[32:]))),
        "signature too short": f"{head}.{payload}.{b64(raw[:63])}",
        "signature too long": f"{head}.{payload}.{b64(raw + bytes(1))}",
        "signature padded as for P-384": f"{head}.{payload}.{b64(bytes(16) + raw[:32] + bytes(16) + raw[32:])}",
        "the other signature, (r, n - s)": f"{head}.{payload}.{b64(es256(world.key, signed, high_s=True))}",
    }
    return forged


def _other_algorithms(world: World) -> dict[str, str]:
    public = world.key.public_key()
    pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    der = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    ssh = public.public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    point = public.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
    jwk = jwk_of(public)
    secrets = {
        "PEM": pem,
        "PEM without its last newline": pem.rstrip(),
        "DER": der,
        "OpenSSH line": ssh,
        "point": point,
        "JWK": as_json(jwk),
        "key id": world.header["kid"].encode(),
        "blank secret": b"",
        "secret": b"secret",
    }
    forged = {
        f"HS256 keyed with the {name}": hs256({**world.header, "alg": "HS256"}, world.claims, secret)
        for name, secret in secrets.items()
    }
    forged["HMAC under the name ES256"] = hs256(world.header, world.claims, pem)

    def signed(alg: str, make: Callable[[bytes], bytes]) -> str:
        text = f"{b64(as_json({**world.header, 'alg': alg}))}.{b64(as_json(world.claims))}"
        return f"{text}.{b64(make(text.encode()))}"

    private_rsa = some_rsa_key()
    p384 = ec.generate_private_key(ec.SECP384R1())
    k1 = ec.generate_private_key(ec.SECP256K1())
    forged |= {
        "RS256": signed("RS256", lambda m: private_rsa.sign(m, padding.PKCS1v15(), hashes.SHA256())),
        "RS256 under the name ES256": signed(
            "ES256", lambda m: private_rsa.sign(m, padding.PKCS1v15(), hashes.SHA256())
        ),
        "ES384": signed("ES384", lambda m: p384.sign(m, ec.ECDSA(hashes.SHA384()))),
        "ES256K": signed("ES256K", lambda m: _raw(k1.sign(m, ec.ECDSA(hashes.SHA256())))),
        "secp256k1 under the name ES256": signed("ES256", lambda m: _raw(k1.sign(m, ec.ECDSA(hashes.SHA256())))),
        "EdDSA": signed("EdDSA", ed25519.Ed25519PrivateKey.generate().sign),
        "our key, but SHA-384": signed("ES256", lambda m: _raw(world.key.sign(m, ec.ECDSA(hashes.SHA384())))),
    }
    return forged


def _raw(der: bytes) -> bytes:
    r, s = decode_dss_signature(der)
    return r.to_bytes(32) + s.to_bytes(32)


def _keys_brought_along(world: World) -> dict[str, str]:
    mine = ec.generate_private_key(ec.SECP256R1())
    jwk = jwk_of(mine.public_key())
    header, claims = world.header, world.claims
    kids: dict[str, object] = {
        "of mine": fingerprint(jwk),
        "path": "../../../../dev/null",
        "path to a file": "/etc/hostname",
        "command": "key|/usr/bin/true",
        "SQL": "x' UNION SELECT 'key' -- ",
        "NUL": world.header["kid"] + "\0",
        "empty": "",
        "list": [world.header["kid"]],
        "mapping": {"kid": world.header["kid"]},
        "null": None,
        "number": 7,
        "4 kB": "k" * 4096,
        "address": "https://attacker.example/key.pem",
        "upper case": world.header["kid"].upper(),
    }
    forged = {f"kid {name}": sign({**header, "kid": kid}, claims, mine) for name, kid in kids.items()}
    forged |= {
        f"kid {name}, signed by ours": sign({**header, "kid": kid}, claims, world.key)
        for name, kid in kids.items()
        if not isinstance(kid, str) or kid not in (world.header["kid"],)
    }
    without_kid = {name: value for name, value in header.items() if name != "kid"}
    forged |= {
        "my key under your kid": sign(header, claims, mine),
        "no kid": sign(without_kid, claims, world.key),
        "embedded jwk": sign({**header, "jwk": jwk}, claims, mine),
        "embedded jwk without kid": sign({**without_kid, "jwk": jwk}, claims, mine),
        "embedded jwk with kid inside": sign({**header, "jwk": {**jwk, "kid": header["kid"]}}, claims, mine),
        "jku": sign({**header, "jku": "https://attacker.example/jwks.json"}, claims, mine),
        "jku to us": sign({**header, "jku": "http://127.0.0.1:8400/api/v1/trust"}, claims, world.key),
        "x5u": sign({**header, "x5u": "https://attacker.example/cert.pem"}, claims, mine),
        "x5c": sign({**header, "x5c": [b64(bytes(64))]}, claims, world.key),
    }
    return forged


def _headers(world: World) -> dict[str, str]:
    header = world.header
    more: dict[str, Members] = {
        "crit of exp": {"crit": ["exp"]},
        "crit empty": {"crit": []},
        "crit unknown": {"crit": ["http://attacker.example/unknown"], "http://attacker.example/unknown": True},
        "crit null": {"crit": None},
        "b64 false": {"b64": False, "crit": ["b64"]},
        "zip": {"zip": "DEF"},
        "enc": {"enc": "A256GCM"},
        "cty JWT": {"cty": "JWT"},
        "member of one's own": {"role": "system_admin"},
        "typ JWT": {"typ": "JWT"},
        "typ long form": {"typ": "application/at+jwt"},
        "typ upper case": {"typ": "AT+JWT"},
        "typ null": {"typ": None},
        "typ list": {"typ": ["at+jwt"]},
        "typ of DPoP": {"typ": "dpop+jwt"},
        "typ of logout": {"typ": "logout+jwt"},
    }
    forged = {name: sign({**header, **members}, world.claims, world.key) for name, members in more.items()}
    forged["typ missing"] = sign({k: v for k, v in header.items() if k != "typ"}, world.claims, world.key)
    return forged


def _claims(world: World) -> dict[str, str]:
    now = int(world.at.timestamp())
    hour = 3600
    changed: dict[str, Members] = {
        "expired": {"iat": now - hour, "auth_time": now - hour, "exp": now - 31},
        "expired just now": {"iat": now - hour, "exp": now - 30},
        "exp a text": {"exp": str(now + hour)},
        "exp true": {"exp": True},
        "exp null": {"exp": None},
        "exp a list": {"exp": [now + hour]},
        "exp before iat": {"iat": now, "exp": now - 1},
        "good for a month": {"exp": now + 30 * 24 * hour},
        "good for an hour and a second": {"iat": now, "exp": now + hour + 1},
        "exp in milliseconds": {"exp": (now + hour) * 1000},
        "exp of 400 digits": {"exp": 10**400},
        "exp negative": {"exp": -1},
        "iat to come": {"iat": now + 31, "exp": now + hour},
        "iat a text": {"iat": str(now)},
        "iat true": {"iat": True},
        "iat null": {"iat": None},
        "nbf to come": {"nbf": now + 31},
        "nbf a text": {"nbf": "0"},
        "nbf null": {"nbf": None},
        "iss of somebody else": {"iss": "https://attacker.example"},
        "iss with a slash more": {"iss": world.claims["iss"] + "/"},
        "iss a prefix": {"iss": world.claims["iss"][:-1]},
        "iss a list": {"iss": [world.claims["iss"]]},
        "iss null": {"iss": None},
        "iss upper case": {"iss": world.claims["iss"].upper()},
        "aud of somebody else": {"aud": "urn:somebody:else"},
        "aud a prefix": {"aud": world.claims["aud"][:-1]},
        "aud list without us": {"aud": ["urn:a", "urn:b"]},
        "aud empty list": {"aud": []},
        "aud list with a number": {"aud": [world.claims["aud"], 1]},
        "aud nested": {"aud": [[world.claims["aud"]]]},
        "aud mapping": {"aud": {world.claims["aud"]: True}},
        "aud null": {"aud": None},
        "sub empty": {"sub": ""},
        "sub null": {"sub": None},
        "sub a number": {"sub": 1},
        "sub without kind": {"sub": world.claims["sub"].partition("/")[2]},
        "sub of the system": {"sub": "system/" + world.claims["sub"].partition("/")[2]},
        "sub in upper case": {"sub": "account/" + world.claims["sub"].partition("/")[2].upper()},
        "sub in braces": {"sub": "account/{" + world.claims["sub"].partition("/")[2] + "}"},
        "sub with NUL": {"sub": world.claims["sub"] + "\0"},
        "sub with SQL": {"sub": "account/' OR 1=1 -- "},
        "sub too long": {"sub": world.claims["sub"] + " " * 255},
        "jti empty": {"jti": ""},
        "jti a number": {"jti": 1},
        "jti too long": {"jti": "j" * 256},
        "auth_time to come": {"auth_time": now + 31},
        "auth_time a text": {"auth_time": "now"},
        "auth_time true": {"auth_time": True},
        "amr unknown": {"amr": ["mfa"]},
        "amr empty": {"amr": []},
        "amr two": {"amr": ["pwd", "swk"]},
        "amr a mapping": {"amr": {"pwd": 1, "x": 2}},
        "amr of lists": {"amr": [["pwd"]]},
        "sid a number": {"sid": 1},
        "sid no id": {"sid": "current"},
        "sid in upper case": {"sid": str(world.claims.get("sid", "")).upper().replace("-", "") + "-"},
        "sid null": {"sid": None},
    }
    forged = {name: sign(world.header, {**world.claims, **members}, world.key) for name, members in changed.items()}
    for name in ("iss", "aud", "sub", "jti", "exp", "iat", "auth_time", "amr", "sid"):
        forged[f"{name} missing"] = sign(world.header, {k: v for k, v in world.claims.items() if k != name}, world.key)
    text = as_json(world.claims).decode()
    for name, number in {"NaN": "NaN", "Infinity": "Infinity", "1e400": "1e400"}.items():
        forged[f"exp {name}"] = sign(
            world.header, text.replace(f'"exp":{world.claims["exp"]}', f'"exp":{number}').encode(), world.key
        )
    payloads = {
        "payload a list": b"[]",
        "payload a text": b'"text"',
        "payload null": b"null",
        "payload no JSON": b"foo",
        "payload with a comma too much": text[:-1].encode() + b",}",
        "payload with a comment": text[:-1].encode() + b"/**/}",
        "payload in UTF-16": text.encode("utf-16"),
        "payload with a mark in front": b"\xef\xbb\xbf" + text.encode(),
        "payload not UTF-8": text.encode()[:-1] + b',"x":"\xff"}',
        "payload says sub twice": text.encode()[:-1] + b',"sub":"account/' + str(UUID(int=1)).encode() + b'"}',
        "payload says exp twice": text.encode()[:-1] + b',"exp":99999999999}',
        "payload nested 3000 deep": text.encode()[:-1] + b',"x":' + b"[" * 3000 + b"]" * 3000 + b"}",
        "payload says sub twice, once escaped": text.encode()[:-1] + b',"\\u0073ub":"account/x"}',
        "jti half a character": text.encode().replace(b'"jti":"', b'"jti":"\\ud800'),
        "payload a number of 5000 digits": text.encode()[:-1] + b',"x":' + b"9" * 5000 + b"}",
    }
    return forged | {name: sign(world.header, payload, world.key) for name, payload in payloads.items()}


def _tampered(world: World) -> dict[str, str]:
    head, payload, signature = world.token.split(".")

    def resealed(**changes: object) -> str:
        return f"{head}.{b64(as_json({**world.claims, **changes}))}.{signature}"

    swapped = bytearray(as_json(world.claims))
    swapped[len(swapped) // 2] ^= 1
    return {
        "sub changed": resealed(sub=f"account/{uuid4()}"),
        "exp changed": resealed(exp=world.claims["exp"] + 1),
        "role added": resealed(roles=["system_admin"]),
        "kind changed": resealed(sub=world.claims["sub"].replace("account", "dock")),
        "one bit changed": f"{head}.{b64(bytes(swapped))}.{signature}",
        "header changed": f"{b64(as_json({**world.header, 'x': 1}))}.{payload}.{signature}",
        "members in another order": f"{head}.{b64(as_json(dict(sorted(world.claims.items()))))}.{signature}",
        "header and payload swapped": f"{payload}.{head}.{signature}",
        "payload empty": f"{head}..{signature}",
        "payload empty and signed": sign(world.header, b"", world.key),
        "header empty": f".{payload}.{signature}",
    }


def _spellings(world: World) -> dict[str, str]:
    token, header = world.token, world.header
    head, payload, signature = token.split(".")

    def stray(segment: str) -> str:
        # The last character of a segment has bits that mean nothing; the next letter of the
        # alphabet is another spelling of the same bytes.
        alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
        return segment[:-1] + alphabet[alphabet.index(segment[-1]) ^ 1]

    spelled = {
        "empty": "",
        "dots": "..",
        "dot": ".",
        "three dots": "...",
        "one segment": head,
        "two segments": f"{head}.{payload}",
        "four segments": f"{token}.",
        "five segments": f"{token}.{head}.{head}",
        "padded header": f"{head}=.{payload}.{signature}",
        "padded payload": f"{head}.{payload}=.{signature}",
        "padded signature": f"{token}==",
        "blank in front": f" {token}",
        "blank behind": f"{token} ",
        "newline behind": f"{token}\n",
        "newline inside": f"{head}.{payload[:20]}\n{payload[20:]}.{signature}",
        "tab inside": f"{head}.\t{payload}.{signature}",
        "NUL behind": f"{token}\0",
        "percent": token.replace(".", "%2E"),
        "fullwidth dots": token.replace(".", "．"),
        "a Greek letter inside": f"{head}.Α{payload[1:]}.{signature}",
        "quoted": f'"{token}"',
        "twice": f"{token},{token}",
        "Bearer Bearer": f"Bearer {token}",
        "stray bits in the signature": f"{head}.{payload}.{stray(signature)}",
        "letters that are no base64": f"{head}.{payload}.{signature[:40]}!!!!{signature[40:]}",
        "flattened JSON": as_json({"protected": head, "payload": payload, "signature": signature}).decode(),
        "general JSON": as_json(
            {"payload": payload, "signatures": [{"protected": head, "signature": signature}]}
        ).decode(),
        "nine kilobytes": sign(header, {**world.claims, "x": "x" * 9000}, world.key),
        "a megabyte of dots": "." * 1_000_000,
        "hex": token.encode().hex(),
        "base64 of it": b64(token.encode()),
    }
    for name, segment in {"header": 0, "payload": 1}.items():
        parts = token.split(".")
        if len(parts[segment]) % 4:
            parts[segment] = stray(parts[segment])
            spelled[f"stray bits in the {name}"] = ".".join(parts)
            signed = ".".join(parts[:2])
            spelled[f"stray bits in the {name}, signed so"] = f"{signed}.{b64(es256(world.key, signed.encode()))}"
    # The same bytes with + and /, signed as they stand: a lenient reader would take it.
    plain = standard_b64encode(as_json({**world.claims, "x": "???>>>"})).decode().rstrip("=")
    signed = f"{head}.{plain}"
    spelled["the other base64, signed so"] = f"{signed}.{b64(es256(world.key, signed.encode()))}"
    padded = urlsafe_b64encode(as_json({**world.claims, "x": "pad" + "x" * (len(as_json(world.claims)) % 3)})).decode()
    signed = f"{head}.{padded}="
    spelled["padding, signed so"] = f"{signed}.{b64(es256(world.key, signed.encode()))}"
    text = as_json(header)
    headers = {
        "header says alg twice": b'{"alg":"none",' + text[1:],
        "header says alg twice, once escaped": text[:-1] + b',"\\u0061lg":"none"}',
        "header says kid twice": text[:-1] + b',"kid":"other"}',
        "header a list": b'["ES256"]',
        "header a text": b'"ES256"',
        "header null": b"null",
        "header no JSON": b"ES256",
        "header in UTF-16": text.decode().encode("utf-16"),
        "header with a mark in front": b"\xef\xbb\xbf" + text,
        "header nested 3000 deep": text[:-1] + b',"x":' + b"[" * 3000 + b"]" * 3000 + b"}",
        "header with NaN": text[:-1] + b',"x":NaN}',
    }
    return spelled | {name: sign(raw, world.claims, world.key) for name, raw in headers.items()}


def _confusions(world: World) -> dict[str, str]:
    audience = "https://evidence.example/api/v1/tokens"
    statement = dock_statement(world.dock_id, world.dock_key, audience=audience, at=world.at)
    dock_claims = {**world.claims, "sub": f"dock/{world.dock_id}", "amr": ["swk"]}
    nested = sign({**world.header, "cty": "JWT"}, world.token.encode(), world.key)
    later = world.at + timedelta(minutes=1)
    return {
        "a dock's statement as token": statement,
        "a dock's statement addressed to the API": dock_statement(
            world.dock_id, world.dock_key, audience=world.claims["aud"], at=later
        ),
        "a dock signs a token of its own": sign(world.header, dock_claims, world.dock_key),
        "a dock signs a token under its own key id": sign(
            {**world.header, "kid": fingerprint(jwk_of(world.dock_key.public_key()))}, dock_claims, world.dock_key
        ),
        "a dock's token without its key": sign(world.header, dock_claims, world.key),
        "a person's token with a key": sign(world.header, {**world.claims, "cnf": {"jkt": b64(bytes(32))}}, world.key),
        "a dock signs a token for a person": sign(world.header, world.claims, world.dock_key),
        "an ID token": sign(
            {**world.header, "typ": "JWT"}, {**world.claims, "aud": "evidence-room", "nonce": "n"}, world.key
        ),
        "a token in a token": nested,
        "an encrypted token": ".".join(
            (
                b64(as_json({"alg": "dir", "enc": "A256GCM", "zip": "DEF"})),
                "",
                b64(bytes(12)),
                b64(bytes(99)),
                b64(bytes(16)),
            )
        ),
        "a receipt": b64(sha256(b"receipt").digest()),
    }
