"""What a dock signed is checked by anybody, offline: by its key, and of the bytes that were received."""

from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from evidence.docking.identity import DockKey
from evidence.proof import FormatError, canonical, heads, manifest, package, record
from evidence.verify import Check
from evidence.verify.checks import check_manifests
from evidence.verify.history import History, read_history
from tests.conftest import NOON
from tests.support.forging import b64, es256
from tests.tamper.catching import examine
from tests.vectors import make

KEY = DockKey(ec.generate_private_key(ec.SECP256R1()))
OTHER = DockKey(ec.generate_private_key(ec.SECP256R1()))
SAID = {"filename": "CAM-0417.mp4", "sha256": sha256(make.FOOTAGE).hexdigest(), "camera": "CAM-0417", "officer": "4711"}
CHAIN = f"item/{make.STOP}"


def signed(key: DockKey = KEY, dock: str = make.DOCK, size: int = len(make.FOOTAGE), **changes: str) -> str:
    return key.manifest(dock, size, SAID | changes, at=NOON)


def announcement(text: str, key: DockKey = KEY, **facts: str) -> tuple[make.Body, Any]:
    shown = make.salted("manifest", text)
    public = manifest.public_bytes(key.public_jwk())
    try:
        announced = manifest.parse(text).manifest.sha256.hex()
    except FormatError:
        announced = SAID["sha256"]
    said = {
        "upload": make.digest_of("upload"),
        "dock": make.DOCK,
        "fingerprint": manifest.fingerprint(public),
        "public": public.hex(),
    }
    body = make.body(
        "item.announced",
        src=[sha256(text.encode()).hexdigest()],
        att=[{"kind": "announced", "sha256": announced}],
        facts=said | facts,
        sd=[shown],
    )
    return body, shown


def reception(raw: bytes = make.FOOTAGE) -> make.Body:
    return make.body("item.received", obj=[make.original_object(raw)], att=make.vouched(raw), facts={"upload": "u"})


def read(*bodies: make.Body, shown: list[Any], withheld: frozenset[str] = frozenset()) -> History:
    records = make.link(CHAIN, bodies)
    return read_history(
        [b"".join(each + b"\n" for each in records)],
        [package.write_disclosures([each.text for each in shown])],
        origin=make.ORIGIN,
        chain_name=CHAIN,
        head=heads.Head(CHAIN, len(records), record.leaf_hash(records[-1])),
        withheld=withheld,
        receipts=[],
    )


def faults(text: str, key: DockKey = KEY, raw: bytes = make.FOOTAGE, **facts: str) -> list[int]:
    body, shown = announcement(text, key, **facts)
    history = read(body, reception(raw), shown=[shown])
    assert history.sound
    return [seq for seq, _wrong in history.manifest_faults]


def test_what_a_dock_writes_is_what_is_read() -> None:
    read_back = manifest.parse(signed(recorded_at="2026-03-01T21:14:05Z"))

    assert read_back.manifest.said == {
        "camera": "CAM-0417",
        "officer": "4711",
        "recorded_at": "2026-03-01T21:14:05Z",
    }
    assert (read_back.manifest.dock, read_back.manifest.size) == (make.DOCK, len(make.FOOTAGE))
    assert read_back.fingerprint == KEY.fingerprint
    assert read_back.is_by(manifest.public_bytes(KEY.public_jwk()))
    assert not read_back.is_by(manifest.public_bytes(OTHER.public_jwk()))


def spelled(header: Mapping[str, Any] | bytes, payload: bytes, key: DockKey = KEY) -> str:
    raw = header if isinstance(header, bytes) else canonical.encode(dict(header))
    text = f"{b64(raw)}.{b64(payload)}"
    return f"{text}.{b64(es256(key.private, text.encode()))}"


HEADER = {"alg": "ES256", "kid": KEY.fingerprint, "typ": manifest.TYPE}
PAYLOAD = manifest.payload(manifest.parse(signed()).manifest)
DIGEST = SAID["sha256"].encode()
ODD = {
    "empty": "",
    "two segments": "a.b",
    "another alg": spelled({**HEADER, "alg": "none"}, PAYLOAD),
    "another typ": spelled({**HEADER, "typ": "JWT"}, PAYLOAD),
    "no kid": spelled({"alg": "ES256", "typ": manifest.TYPE}, PAYLOAD),
    "a key of its own": spelled({**HEADER, "jwk": {}}, PAYLOAD),
    "a header with a blank": spelled(canonical.encode(HEADER).replace(b":", b": ", 1), PAYLOAD),
    "a payload with a blank": spelled(HEADER, PAYLOAD.replace(b":", b": ", 1)),
    "another format": spelled(HEADER, PAYLOAD.replace(b"manifest.v1", b"manifest.v2")),
    "a strange member": spelled(HEADER, PAYLOAD.replace(b'{"camera"', b'{"a":"b","camera"')),
    "an empty member": spelled(HEADER, PAYLOAD.replace(b'"4711"', b'""')),
    "a digest in upper case": spelled(
        HEADER, PAYLOAD.replace(SAID["sha256"].encode(), SAID["sha256"].upper().encode())
    ),
    "a size below nought": spelled(HEADER, PAYLOAD.replace(b'"size":4096', b'"size":-1')),
    "a size in words": spelled(HEADER, PAYLOAD.replace(b'"size":4096', b'"size":"4096"')),
    "padding": signed() + "=",
    "too long": signed(incident="x" * manifest.LONGEST),
    "a list": spelled(HEADER, b"[]"),
}


@pytest.mark.parametrize("text", ODD.values(), ids=ODD)
def test_any_other_spelling_is_no_manifest(text: str) -> None:
    with pytest.raises(FormatError):
        manifest.parse(text)


def test_a_manifest_by_the_key_on_record_of_the_bytes_received_is_counted() -> None:
    body, shown = announcement(signed())
    again, shown_again = announcement(signed(camera="CAM-0418"))

    history = read(body, reception(), again, shown=[shown, shown_again])

    assert (history.manifests, history.manifest_faults, history.manifests_withheld) == (2, [], 0)


def test_a_manifest_that_comes_before_its_record_in_the_list_is_checked_as_well() -> None:
    first, one = announcement(signed())
    second, other = announcement(signed(OTHER), OTHER)
    changed, wrong = announcement(signed(OTHER, camera="X"), KEY)

    history = read(first, reception(), second, changed, shown=[wrong, other, one])

    assert (history.manifests, [seq for seq, _ in history.manifest_faults]) == (2, [4])


WRONG = {
    "signed by another key than the record names": lambda: faults(spelled(HEADER, PAYLOAD, OTHER)),
    "naming another key": lambda: faults(signed(OTHER)),
    "a key whose thumbprint is another": lambda: faults(signed(), fingerprint=OTHER.fingerprint),
    "a public key of the record that is another": lambda: faults(
        signed(), public=manifest.public_bytes(OTHER.public_jwk()).hex()
    ),
    "of another dock": lambda: faults(signed(dock=make.OFFICER)),
    "of other bytes": lambda: faults(signed(sha256=make.digest_of("other"))),
    "of another size": lambda: faults(signed(size=4097)),
    "not readable": lambda: faults("no manifest"),
}


@pytest.mark.parametrize("found", WRONG.values(), ids=WRONG)
def test_a_manifest_that_is_not_what_it_must_be_is_found(found: Any) -> None:
    assert found() == [1]


def test_control_the_same_steps_find_nothing_wrong_with_a_good_one() -> None:
    assert faults(signed()) == []


def test_a_manifest_that_another_record_named_is_found() -> None:
    body, _shown = announcement(signed())
    other = signed()  # signed at the same moment, and yet another signature
    shown = make.salted("manifest", other)
    moved = {**body, "sd": [shown.digest]}

    assert [seq for seq, _ in read(moved, reception(), shown=[shown]).manifest_faults] == [1]


def test_a_manifest_that_is_withheld_is_no_fault_and_not_counted_as_checked() -> None:
    body, shown = announcement(signed())

    history = read(body, reception(), shown=[], withheld=frozenset({shown.digest}))

    assert (history.manifests, history.manifest_faults, history.manifests_withheld) == (0, [], 1)


def test_a_package_with_a_false_manifest_is_broken() -> None:
    def codes(text: str, *, without: tuple[Check, ...] = ()) -> list[str]:
        body, shown = announcement(text)
        records = make.link(CHAIN, [body, reception()])
        stop, _interview = make.items()
        item = replace(
            stop,
            records=tuple(records),
            disclosures=(shown.text,),
            receipts={2: make.receipt_for(records[1])},
        )
        files = make.pack([item], without=package.Withheld())
        return [finding.code for finding in examine(files, without=without).findings]

    assert codes(signed()) == []
    assert codes(spelled(HEADER, PAYLOAD, OTHER)) == ["M01"]
    assert codes(spelled(HEADER, PAYLOAD, OTHER), without=(check_manifests,)) == [], "nothing else would have seen it"
