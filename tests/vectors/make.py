"""Make the golden bytes of evidence/proof: python -m tests.vectors.make [FOLDER].

Keys, salts, nonces and times are fixed, so the same bytes come out every time; a test holds the
committed files to that.  The keys are made from words written here: they protect nothing.
"""

import io
import json
import sys
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from evidence.proof import acts, canonical, chain, disclosure, heads, note, package, receipt, record, trust

HERE = Path(__file__).parent

ORIGIN = "evidence.example/3f2a"
NOON = "2026-03-01T12:00:00.000000Z"
LONG_AGO = "2026-01-01T00:00:00.000000Z"

STOP = "01890a5d-ac96-774b-bcce-b302099a8057"
"""The item whose original is in the package."""

INTERVIEW = "01890a5e-0000-7000-8000-000000000002"
"""The item whose original is withheld, and which was received without a declared digest."""

OFFICER = "01890a5d-0000-7000-8000-00000000000a"
DOCK = "01890a5d-0000-7000-8000-00000000000d"
CASE = "01890a5d-0000-7000-8000-00000000000c"
SECOND_CASE = "01890a5d-0000-7000-8000-0000000000c2"
PACKAGE_ID = "01890a5f-0000-7000-8000-0000000000ff"

Body = dict[str, Any]


@dataclass(frozen=True)
class Key:
    """A signing key for tests only, and its public half as a trust file has it."""

    name: str
    role: str
    secret: Ed25519PrivateKey

    @property
    def public(self) -> bytes:
        return self.secret.public_key().public_bytes_raw()

    @property
    def trusted(self) -> trust.TrustedKey:
        return trust.TrustedKey(self.name, self.role, self.public, LONG_AGO)

    def sign(self, text: str) -> str:
        made = self.secret.sign(text.encode())
        return note.write(text, [note.Signature(self.name, note.key_id(self.name, self.public), made)])


def key(role: str, *, origin: str = ORIGIN) -> Key:
    seed = sha256(f"test key, protects nothing: {origin}/{role}".encode()).digest()
    return Key(trust.key_name(origin, role), role, Ed25519PrivateKey.from_private_bytes(seed))


def trust_root(*, origin: str = ORIGIN, roles: Iterable[str] = ("receipt", "export")) -> trust.Trust:
    return trust.Trust(origin, tuple(key(role, origin=origin).trusted for role in roles))


def salted(name: str, value: object) -> disclosure.Disclosure:
    return disclosure.make(name, value, sha256(f"salt {name} {value}".encode()).digest()[:16])


def digest_of(word: str) -> str:
    return sha256(word.encode()).hexdigest()


def body(act: str, *, sd: Iterable[disclosure.Disclosure] = (), **members: object) -> Body:
    """Return a whole body: what every act has, and what this one adds."""
    made: Body = {
        "n": sha256(f"nonce {act} {members}".encode()).hexdigest()[:32],
        "act": act,
        "clk": {"source": "system", "error_us": 1500},
        "actor": {"type": "account", "id": OFFICER, "roles": ["evidence_technician"], "method": "password"},
        "req": f"request:{act}",
        **members,
    }
    digests = sorted(each.digest for each in sd)
    return {**made, "sd": digests} if digests else made


def original_object(raw: bytes, *, name: str = "original") -> Body:
    return {
        "role": "original",
        "id": STOP,
        "sha256": sha256(raw).hexdigest(),
        "size": len(raw),
        "mime": "video/mp4",
        "store": "local",
        "version": "1",
        "chunks": sha256(chunk_list(raw)).hexdigest(),
        "enc": {"format": "evidence.frame.v1", "sha256": digest_of(name), "size": len(raw) + 28},
    }


def vouched(raw: bytes) -> list[Body]:
    whole, chunks = sha256(raw).hexdigest(), sha256(chunk_list(raw)).hexdigest()
    kinds = {"declared": whole, "read_back": whole, "streamed_chunks": chunks, "read_back_chunks": chunks}
    return [{"kind": kind, "sha256": digest} for kind, digest in kinds.items()]


def chunk_list(raw: bytes) -> bytes:
    size = package.CHUNK_SIZE
    return package.write_chunks(sha256(raw[at : at + size]).digest() for at in range(0, len(raw), size))


FOOTAGE = b"".join(sha256(b"footage %d" % number).digest() for number in range(128))
"""What stands for an original in the small package: 4 KiB of noise."""

_SOME = {"role": "original", "id": STOP, "sha256": digest_of("original"), "size": 4096}

EXAMPLES: tuple[tuple[str, Body], ...] = (
    (
        f"item/{STOP}",
        body(
            "item.received",
            sd=[salted("filename", "AXON_Body_3_2026-03-01.mp4"), salted("officer_badge", "4711")],
            occ="2026-03-01T09:15:00.000000Z",
            obj=[original_object(FOOTAGE)],
            att=vouched(FOOTAGE),
            facts={"upload": DOCK},
        ),
    ),
    (f"item/{STOP}", body("item.received_again", obj=[_SOME], facts={"upload": DOCK})),
    (
        f"item/{STOP}",
        body(
            "item.probed",
            obj=[_SOME],
            tool={"name": "pyav", "version": "18.1.0", "params": digest_of("parameters")},
            facts={"outcome": "footage", "container": "mov,mp4", "duration_us": 61_000_000, "streams": 2},
        ),
    ),
    (f"item/{STOP}", body("item.exported", sd=[salted("reason", "discovery")], facts={"export": PACKAGE_ID})),
    (
        f"item/{STOP}",
        body("item.export_ended", facts={"export": PACKAGE_ID, "outcome": "completed", "size": 9000}),
    ),
    (
        f"item/{STOP}",
        body(
            "item.redacted",
            sd=[salted("exemption", "uninvolved person")],
            obj=[{"role": "derivative", "id": CASE, "sha256": digest_of("derivative"), "size": 4000}],
            src=[digest_of("original")],
            tool={"name": "ffmpeg", "version": "7.1", "params": digest_of("recipe")},
            facts={"redaction": CASE},
        ),
    ),
    (f"item/{STOP}", body("item.produced", obj=[_SOME], facts={"production": PACKAGE_ID})),
    (
        f"item/{STOP}",
        body(
            "item.transferred",
            sd=[salted("agency", "Sheriff of Elsewhere")],
            obj=[_SOME],
            facts={"transfer": CASE, "to_origin": "evidence.example/9b1c"},
        ),
    ),
    (
        f"item/{INTERVIEW}",
        body(
            "item.transfer_received",
            obj=[_SOME],
            src=[digest_of("last record there")],
            facts={
                "transfer": CASE,
                "from_origin": "evidence.example/9b1c",
                "from_chain": f"item/{STOP}",
                "from_seq": 12,
            },
        ),
    ),
    (f"item/{STOP}", body("item.disposed", obj=[_SOME], pol=digest_of("decision"), facts={"disposition": CASE})),
    (
        f"item/{STOP}",
        body("item.expunged", sd=[salted("order", "court order 26-xp-9")], obj=[_SOME], facts={"expungement": CASE}),
    ),
    (f"item/{STOP}", body("key.destroyed", obj=[{"role": "original", "id": STOP}])),
    (f"item/{STOP}", body("hold.placed", sd=[salted("reason", "civil action 26-cv-0117")], facts={"hold": CASE})),
    (f"case/{CASE}", body("hold.released", sd=[salted("reason", "settled")], facts={"hold": CASE})),
    (
        f"item/{STOP}",
        body(
            "retention.decided",
            pol=digest_of("schedule"),
            facts={"schedule": "traffic_stop", "keep_until": "2027-03-01"},
        ),
    ),
    (
        f"item/{STOP}",
        body("production.delivered", obj=[_SOME], facts={"production": PACKAGE_ID, "delivery": CASE}),
    ),
    (f"case/{CASE}", body("case.opened", sd=[salted("number", "26-004711")])),
    (f"case/{CASE}", body("case.closed", sd=[salted("reason", "pleaded")])),
    (f"case/{CASE}", body("case.reopened", sd=[salted("reason", "appeal")])),
    (
        f"item/{STOP}",
        body(
            "exhibit.linked",
            sd=[salted("exhibit_number", 3)],
            facts={"exhibit": PACKAGE_ID, "case": CASE, "item": STOP},
        ),
    ),
    (
        f"case/{CASE}",
        body(
            "exhibit.withdrawn",
            sd=[salted("reason", "another incident")],
            facts={"exhibit": PACKAGE_ID, "case": CASE, "item": STOP},
        ),
    ),
    (f"case/{CASE}", body("case.assigned", facts={"assignment": PACKAGE_ID, "account": OFFICER})),
    (f"case/{CASE}", body("case.assignment_ended", facts={"assignment": PACKAGE_ID, "account": OFFICER})),
    (f"case/{CASE}", body("case.referred", facts={"referral": PACKAGE_ID, "agency": INTERVIEW})),
    (f"case/{CASE}", body("case.referral_ended", facts={"referral": PACKAGE_ID, "agency": INTERVIEW})),
    (f"item/{STOP}", body("viewing.begun", obj=[_SOME], facts={"viewing": PACKAGE_ID, "manner": "watch"})),
    (f"item/{STOP}", body("viewing.ended", facts={"viewing": PACKAGE_ID, "manner": "watch", "size": 4096})),
    (
        f"item/{STOP}",
        body(
            "access.granted",
            sd=[salted("name", "D. Marsh"), salted("reason", "second chair")],
            facts={
                "entry": PACKAGE_ID,
                "extent": "view",
                "account": OFFICER,
                "expires_at": "2026-04-01T00:00:00.000000Z",
            },
        ),
    ),
    (f"item/{STOP}", body("access.ended", facts={"entry": PACKAGE_ID})),
    (f"item/{STOP}", body("access.restricted", facts={"before": "unrestricted", "now": "confidential"})),
    (f"case/{CASE}", body("access.unrestricted", facts={"before": "confidential", "now": "restricted"})),
    (f"item/{STOP}", body("disclosure.forbidden", sd=[salted("reason", "informant")])),
    (f"item/{STOP}", body("disclosure.allowed")),
    (
        f"account/{OFFICER}",
        body("incident.declared", sd=[salted("number", "26-118204")], facts={"incident": CASE}),
    ),
    (f"item/{STOP}", body("incident.covers", facts={"incident": CASE})),
    (
        f"account/{OFFICER}",
        body(
            "incident.listed", facts={"incident": CASE, "listing": PACKAGE_ID, "account": OFFICER, "part": "involved"}
        ),
    ),
    (
        f"account/{OFFICER}",
        body("statement.recorded", facts={"incident": CASE, "listing": PACKAGE_ID, "account": OFFICER}),
    ),
    (
        f"account/{OFFICER}",
        body("viewing.released", facts={"incident": CASE, "listing": PACKAGE_ID, "account": OFFICER}),
    ),
    (f"account/{OFFICER}", body("unit.founded", sd=[salted("name", "Central")], facts={"unit": INTERVIEW})),
    (
        f"account/{OFFICER}",
        body("unit.joined", facts={"account": OFFICER, "unit": INTERVIEW, "standing": "supervisor"}),
    ),
    (f"account/{OFFICER}", body("unit.left", facts={"account": OFFICER, "unit": INTERVIEW})),
    (f"case/{CASE}", body("case.described", sd=[salted("title", "State v. Marsh")])),
    (
        f"case/{CASE}",
        body("case.merged", sd=[salted("reason", "duplicate")], facts={"merged": CASE, "into": SECOND_CASE}),
    ),
    (
        f"item/{STOP}",
        body(
            "exhibit.carried_over",
            sd=[salted("exhibit_number", 3), salted("to_exhibit_number", 9)],
            facts={
                "exhibit": PACKAGE_ID,
                "case": CASE,
                "item": STOP,
                "to_exhibit": INTERVIEW,
                "to_case": SECOND_CASE,
            },
        ),
    ),
    (
        f"case/{CASE}",
        body("case.due_set", sd=[salted("due_on", "2026-04-01")], facts={"referral": PACKAGE_ID, "agency": DOCK}),
    ),
    (f"item/{STOP}", body("incident.added", sd=[salted("number", "26-004711")], facts={"incident": PACKAGE_ID})),
    (f"case/{CASE}", body("incident.withdrawn", sd=[salted("reason", "typed")], facts={"incident": PACKAGE_ID})),
    (
        f"case/{CASE}",
        body("reference.added", sd=[salted("called", "CR-7")], facts={"reference": PACKAGE_ID, "agency": DOCK}),
    ),
    (f"item/{STOP}", body("reference.withdrawn", facts={"reference": PACKAGE_ID, "agency": DOCK})),
    (
        f"case/{CASE}",
        body(
            "expectation.added",
            sd=[salted("what", "911 call"), salted("recordings", 2)],
            facts={"expectation": STOP, "agency": DOCK, "referral": PACKAGE_ID},
        ),
    ),
    (
        f"case/{CASE}",
        body(
            "expectation.fulfilled",
            facts={"expectation": STOP, "agency": DOCK, "referral": PACKAGE_ID, "exhibit": INTERVIEW},
        ),
    ),
    (
        f"case/{CASE}",
        body("expectation.withdrawn", facts={"expectation": STOP, "agency": DOCK, "referral": PACKAGE_ID}),
    ),
    (
        f"account/{OFFICER}",
        body("agency.case_numbers_set", sd=[salted("pattern", "{year}-{seq:6}")], facts={"agency": DOCK}),
    ),
    (
        f"account/{OFFICER}",
        body(
            "approval.requested",
            sd=[salted("reason", "informant moved")],
            facts={"approval": CASE, "action": "access.unrestrict", "sha256": digest_of("request")},
        ),
    ),
    (
        f"account/{INTERVIEW}",
        body(
            "approval.given",
            facts={
                "approval": CASE,
                "action": "access.unrestrict",
                "sha256": digest_of("request"),
                "requester": OFFICER,
            },
        ),
    ),
    (
        f"account/{INTERVIEW}",
        body(
            "approval.refused",
            sd=[salted("reason", "trial pending")],
            facts={"approval": CASE, "action": "roles.assign", "sha256": digest_of("request"), "requester": OFFICER},
        ),
    ),
    (
        f"account/{OFFICER}",
        body("approval.withdrawn", facts={"approval": CASE, "action": "roles.assign", "sha256": digest_of("request")}),
    ),
    (
        f"account/{INTERVIEW}",
        body(
            "approval.voided",
            facts={"approval": CASE, "action": "roles.assign", "sha256": digest_of("request"), "requester": OFFICER},
        ),
    ),
    (
        f"item/{STOP}",
        body(
            "approval.carried_out",
            facts={
                "approval": CASE,
                "action": "access.unrestrict",
                "sha256": digest_of("request"),
                "requester": OFFICER,
                "approver": INTERVIEW,
            },
        ),
    ),
    (
        f"item/{STOP}",
        body(
            "glass.broken",
            sd=[salted("reason", "officer missing")],
            facts={"glass": CASE, "item": STOP, "account": OFFICER, "ends_at": "2026-03-01T11:00:00.000000Z"},
        ),
    ),
    (
        f"item/{STOP}",
        body(
            "glass.reviewed",
            sd=[salted("finding", "justified")],
            facts={"glass": CASE, "item": STOP, "account": OFFICER},
        ),
    ),
    (f"dock/{DOCK}", body("upload.opened", facts={"upload": CASE, "size": 4096, "declared": "sha256"})),
    (
        f"dock/{DOCK}",
        body("upload.quarantined", sd=[salted("explanation", "digests differ")], facts={"upload": CASE, "reason": "d"}),
    ),
    (f"account/{OFFICER}", body("upload.terminated", facts={"upload": CASE, "size": 4096, "received": 12})),
    (f"dock/{DOCK}", body("upload.expired", facts={"upload": CASE})),
    (f"account/{OFFICER}", body("account.created", sd=[salted("name", "Núñez")], facts={"account": OFFICER})),
    (f"account/{OFFICER}", body("role.granted", facts={"account": OFFICER, "role": "detective"})),
    (f"account/{OFFICER}", body("role.ended", facts={"account": OFFICER, "role": "detective"})),
    (
        f"account/{OFFICER}",
        body(
            "group.mapped",
            sd=[salted("group", "/evidence/officers"), salted("reason", "new clerks")],
            facts={"mapping": CASE, "provider": "city", "roles": "officer records_clerk"},
        ),
    ),
    (
        f"account/{OFFICER}",
        body("group.unmapped", sd=[salted("reason", "not used")], facts={"mapping": CASE, "provider": "city"}),
    ),
    (f"account/{OFFICER}", body("account.suspended", facts={"account": OFFICER})),
    (f"account/{OFFICER}", body("account.signed_in", sd=[salted("source", "192.0.2.7")])),
    ("_refused", body("account.sign_in_refused", facts={"reason": "password"})),
    (
        f"account/{OFFICER}",
        body("session.ended", facts={"account": OFFICER, "session": digest_of("session"), "reason": "signed_out"}),
    ),
    (f"account/{OFFICER}", body("account.proved_again", facts={"amr": "otp"})),
    (f"account/{OFFICER}", body("second_factor.enrolled", facts={"account": OFFICER})),
    (f"account/{OFFICER}", body("recovery_codes.made", facts={"account": OFFICER, "count": 10})),
    (f"account/{OFFICER}", body("recovery_code.used", facts={"account": OFFICER, "left": 9})),
    (f"account/{OFFICER}", body("account.password_changed", facts={"account": OFFICER})),
    (f"account/{OFFICER}", body("account.locked_out", facts={"account": OFFICER, "failures": 5})),
    (f"account/{OFFICER}", body("account.released", sd=[salted("reason", "called in")], facts={"account": OFFICER})),
    ("_refused", body("source.released", sd=[salted("source", "192.0.2.7")])),
    (f"account/{OFFICER}", body("account.reset", facts={"account": OFFICER})),
    (f"account/{OFFICER}", body("dock.invited", facts={"dock": DOCK})),
    (
        f"item/{STOP}",
        body(
            "item.announced",
            src=[digest_of("manifest")],
            att=[{"kind": "announced", "sha256": sha256(FOOTAGE).hexdigest()}],
            facts={"upload": digest_of("upload"), "dock": DOCK, "fingerprint": "A" * 43, "public": "0" * 128},
            sd=[salted("manifest", "a manifest")],
        ),
    ),
    (f"dock/{DOCK}", body("dock.enrolled", facts={"dock": DOCK, "fingerprint": digest_of("dock key")})),
    (
        f"dock/{DOCK}",
        body(
            "dock.key_replaced",
            facts={"dock": DOCK, "fingerprint": digest_of("next dock key"), "replaced": digest_of("dock key")},
        ),
    ),
    (f"dock/{DOCK}", body("dock.retired", facts={"dock": DOCK})),
    (f"dock/{DOCK}", body("dock.signed_in")),
    (
        f"item/{STOP}",
        body("item.attributed", facts={"outcome": "roster", "account": OFFICER, "camera": CASE, "assignment": DOCK}),
    ),
    (
        f"item/{STOP}",
        body(
            "item.reassigned",
            facts={"account": OFFICER, "unit": INTERVIEW},
            sd=[salted("reason", "worn by the other")],
        ),
    ),
    (f"account/{OFFICER}", body("camera.enrolled", facts={"camera": CASE}, sd=[salted("camera_serial", "CAM-0417")])),
    (
        f"account/{OFFICER}",
        body("camera.assigned", facts={"assignment": DOCK, "camera": CASE, "account": OFFICER, "since": LONG_AGO}),
    ),
    (
        f"account/{OFFICER}",
        body(
            "camera.assignment_ended",
            facts={"assignment": DOCK, "camera": CASE, "account": OFFICER, "since": LONG_AGO, "until": NOON},
        ),
    ),
    (f"account/{OFFICER}", body("camera.retired", facts={"camera": CASE})),
    (
        "_keys",
        body(
            "key.added",
            facts={
                "name": key("receipt").name,
                "id": key("receipt").trusted.key_id.hex(),
                "role": "receipt",
                "algorithm": "ed25519",
                "public": key("receipt").public.hex(),
            },
        ),
    ),
    ("_refused", body("access.refused", facts={"action": "evidence.stream", "reason": "not on the case"})),
    (
        f"account/{OFFICER}",
        body("identity.expected", sd=[salted("subject", "00u1")], facts={"account": OFFICER, "provider": "city"}),
    ),
    (
        f"account/{OFFICER}",
        body("identity.linked", sd=[salted("subject", "00u1")], facts={"account": OFFICER, "provider": "city"}),
    ),
)
"""One body for each act of the registry, with the chain it could stand on."""


def instant(number: int) -> str:
    return f"2026-03-01T10:{number // 60:02d}:{number % 60:02d}.000000Z"


def link(chain_name: str, bodies: Iterable[Body], *, origin: str = ORIGIN) -> list[bytes]:
    """Seal bodies as the records of one chain, a second apart."""
    written = ((instant(number), canonical.encode(each)) for number, each in enumerate(bodies))
    return list(chain.link(origin, chain_name, written))


def receipt_for(raw: bytes, *, by: Key | None = None) -> bytes:
    """Sign the receipt for a record."""
    sealed = record.parse(raw)
    text = receipt.Receipt(sealed.origin, sealed.chain, sealed.seq, record.leaf_hash(raw), sealed.at, 86_400).write()
    return (by or key("receipt")).sign(text).encode()


def head_of(records: list[bytes]) -> heads.Head:
    last = record.parse(records[-1])
    return heads.Head(last.chain, last.seq, record.leaf_hash(records[-1]))


@dataclass(frozen=True)
class Item:
    """One item as it goes into a package; a test changes what it likes and packs it again."""

    id: str
    number: str
    records: tuple[bytes, ...]
    disclosures: tuple[str, ...] = ()
    original: bytes | None = None
    chunks: bytes | None = None
    receipts: Mapping[int, bytes] | None = None


@cache
def items() -> tuple[Item, ...]:
    """The items of the small package: one whole, one received without a digest and withheld."""
    filename, badge = salted("filename", "stop.mp4"), salted("officer_badge", "4711")
    reason, asked = salted("reason", "welfare check"), salted("reason", "discovery 26-d-31")
    att = vouched(FOOTAGE)
    stop = link(
        package.item_chain(STOP),
        [
            body(
                "item.received",
                sd=[filename, badge],
                obj=[original_object(FOOTAGE)],
                att=att,
                facts={"upload": CASE},
            ),
            body("item.probed", obj=[_SOME], tool={"name": "pyav", "version": "1"}, facts={"outcome": "footage"}),
            body("hold.placed", sd=[reason], facts={"hold": CASE}),
            body("hold.released", facts={"hold": CASE}),
            body("item.exported", sd=[asked], facts={"export": PACKAGE_ID}),
        ],
    )
    hidden = b"an interview that is not handed over"
    interview = link(
        package.item_chain(INTERVIEW),
        [
            body("item.received", obj=[original_object(hidden)], att=vouched(hidden)[1:], facts={"upload": DOCK}),
            body("item.exported", sd=[salted("reason", "discovery 26-d-32")], facts={"export": PACKAGE_ID}),
        ],
    )
    shown = [each.text for each in sorted([filename, badge], key=lambda one: one.digest)]
    return (
        Item(
            STOP,
            "2026-000417",
            tuple(stop),
            (*shown, asked.text),
            FOOTAGE,
            chunk_list(FOOTAGE),
            {1: receipt_for(stop[0])},
        ),
        Item(
            INTERVIEW,
            "2026-000418",
            tuple(interview),
            (salted("reason", "discovery 26-d-32").text,),
            receipts={1: receipt_for(interview[0])},
        ),
    )


def withheld() -> package.Withheld:
    hidden = sha256(b"an interview that is not handed over").digest()
    return package.Withheld((salted("reason", "welfare check").digest,), (hidden,), "sealed by the court")


README = b"Golden package of the verifier's tests. It holds no evidence.\n"

Files = dict[str, bytes]
"""A package as its files: path below the base folder -> bytes."""


def index_of(packed: Iterable[Item], without: package.Withheld) -> package.Package:
    return package.Package(
        PACKAGE_ID,
        ORIGIN,
        NOON,
        tuple(
            package.PackedItem(
                item.id,
                item.number,
                None
                if item.original is None
                else package.PackedFile(
                    package.original_path(item.id, "stop.mp4"), sha256(item.original).digest(), len(item.original)
                ),
                None
                if item.chunks is None
                else package.PackedChunks(package.chunks_path(item.id), sha256(item.chunks).digest()),
                package.records_path(item.id),
                package.disclosures_path(item.id),
                tuple(package.receipt_path(item.id, seq) for seq in item.receipts or {}),
            )
            for item in packed
        ),
        without,
        (package.PackedFile(package.README, sha256(README).digest(), len(README)),),
    )


def pack(
    packed: Iterable[Item] | None = None,
    *,
    without: package.Withheld | None = None,
    signed_heads: Iterable[heads.Head] | None = None,
    at: str = NOON,
    by: Key | None = None,
) -> Files:
    """Pack items as the exporter does: index, heads signed over it, lists over everything."""
    chosen = items() if packed is None else tuple(packed)
    index = index_of(chosen, withheld() if without is None else without).write()
    ends = [head_of(list(item.records)) for item in chosen] if signed_heads is None else signed_heads
    text = heads.Heads(ORIGIN, at, sha256(index).digest(), tuple(ends)).write()
    files = {
        package.INDEX: index,
        package.HEADS: (by or key("export")).sign(text).encode(),
        package.README: README,
    }
    for item in chosen:
        files[package.records_path(item.id)] = package.write_records(item.records)
        files[package.disclosures_path(item.id)] = package.write_disclosures(item.disclosures)
        if item.original is not None:
            files[package.original_path(item.id, "stop.mp4")] = item.original
        if item.chunks is not None:
            files[package.chunks_path(item.id)] = item.chunks
        for seq, signed in (item.receipts or {}).items():
            files[package.receipt_path(item.id, seq)] = signed
    return relist(files)


def relist(files: Files) -> Files:
    """Write every list anew, as a cheat with BagIt's own tools would."""
    payload = {path: raw for path, raw in files.items() if path.startswith("data/")}
    tags = {
        package.BAGIT: package.BAGIT_TEXT,
        package.BAG_INFO: b"Bagging-Date: 2026-03-01\n"
        b"Payload-Oxum: %d.%d\n" % (sum(map(len, payload.values())), len(payload)),
        package.MANIFEST: package.write_manifest({path: sha256(raw).digest() for path, raw in payload.items()}),
    }
    tags[package.TAG_MANIFEST] = package.write_manifest({path: sha256(raw).digest() for path, raw in tags.items()})
    return {**payload, **tags}


def zipped(files: Files, *, base: str = package.base_folder(PACKAGE_ID) + "/") -> bytes:
    """Write files as a zip; originals stored, the rest stored as well, so that no library's taste shows."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for path, raw in sorted(files.items()):
            entry = zipfile.ZipInfo(base + path, (2026, 3, 1, 12, 0, 0))
            entry.create_system = 3
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, raw)
    return out.getvalue()


def _shown(value: object) -> bytes:
    return (json.dumps(value, ensure_ascii=False, indent=1, sort_keys=True) + "\n").encode()


def _record_vectors() -> bytes:
    cases = []
    for chain_name, each in EXAMPLES:
        raw = link(chain_name, [each])[0]
        cases.append(
            {
                "act": each["act"],
                "chain": chain_name,
                "genesis": record.genesis(ORIGIN, chain_name).hex(),
                "body": each,
                "raw": raw.decode(),
                "leaf": record.leaf_hash(raw).hex(),
            }
        )
    return _shown({"origin": ORIGIN, "records": cases})


def _chain_vectors() -> bytes:
    records = items()[0].records
    return _shown(
        {
            "origin": ORIGIN,
            "chain": package.item_chain(STOP),
            "genesis": record.genesis(ORIGIN, package.item_chain(STOP)).hex(),
            "records": [{"raw": raw.decode(), "leaf": record.leaf_hash(raw).hex()} for raw in records],
        }
    )


def _disclosure_vectors() -> bytes:
    values = [("reason", "welfare check"), ("officer_badge", "4711"), ("name", "Núñez"), ("place", None)]
    made = [salted(name, value) for name, value in [*values, ("position", [407_127, -740_059])]]
    return _shown([{"name": x.name, "value": x.value, "text": x.text, "digest": x.digest} for x in made])


def _canonical_vectors() -> bytes:
    inside: list[object] = [
        None,
        True,
        0,
        -1,
        2**53 - 1,
        -(2**53 - 1),
        "",
        '"\\/\b\f\n\r\t\x00\x1f\x7f',
        "é€😂 אב",
        [],
        {},
        {"b": 1, "a": [None, {"z_9": "x"}]},
    ]
    outside = {
        "a space": b'{"a": 1}',
        "another order": b'{"b":1,"a":1}',
        "a key twice": b'{"a":1,"a":1}',
        "an upper-case key": b'{"A":1}',
        "an empty key": b'{"":1}',
        "a fraction": b"1.5",
        "an exponent": b"1e3",
        "minus nought": b"-0",
        "a leading nought": b"01",
        "two to the 53rd": b"9007199254740992",
        "NaN": b"NaN",
        "a needless escape": b'"\\u0061"',
        "an escaped slash": b'"\\/"',
        "an upper-case escape": b'"\\u001F"',
        "half a surrogate pair": b'"\\ud800"',
        "broken UTF-8": b'"\xc3"',
        "a byte order mark": b'\xef\xbb\xbf""',
        "a raw newline": b'"\n"',
        "a newline after it": b"1\n",
        "two values": b"1 2",
        "nothing": b"",
        "too deep": b"[" * 33 + b"]" * 33,
    }
    return _shown(
        {
            "inside": [{"value": value, "hex": canonical.encode(value).hex()} for value in inside],
            "outside": [{"why": why, "hex": raw.hex()} for why, raw in outside.items()],
        }
    )


def _key_vectors() -> bytes:
    return _shown(
        {
            "warning": "These keys are made from words in make.py. They protect nothing.",
            "keys": [
                {"name": each.name, "seed": each.secret.private_bytes_raw().hex(), "public": each.public.hex()}
                for each in map(key, ("receipt", "export"))
            ],
        }
    )


def made() -> dict[str, bytes]:
    """Return every golden file by name."""
    files = pack()
    return {
        "canonical.json": _canonical_vectors(),
        "records.json": _record_vectors(),
        "chain.json": _chain_vectors(),
        "disclosures.json": _disclosure_vectors(),
        "keys.json": _key_vectors(),
        "trust.json": trust_root().write(),
        "receipt.txt": files[package.receipt_path(STOP, 1)],
        "heads.txt": files[package.HEADS],
        "package_small.zip": zipped(files),
    }


def main(folder: Path) -> None:
    assert {each["act"] for _chain, each in EXAMPLES} == acts.ACTS.keys()
    for name, raw in made().items():
        (folder / name).write_bytes(raw)
        print(name, len(raw))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE)
