"""What the exporter writes, the verifier verifies; and one byte of it altered is found."""

import zipfile
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from uuid import UUID

import bagit
import pytest

from evidence.disclosure import package as writer
from evidence.verify import verify
from tests.tamper.catching import ORIGINAL, STOP, told
from tests.vectors import make


@pytest.fixture
def exported(tmp_path: Path) -> Path:
    items = [
        writer.Contents(
            item_id=UUID(item.id),
            number=item.number,
            original=None
            if item.original is None
            else writer.Original(
                filename="stop.mp4",
                size=len(item.original),
                sha256=sha256(item.original).digest(),
                read=lambda raw=item.original: [raw[:1000], raw[1000:]],  # type: ignore[misc]
            ),
            chunks=item.chunks,
            records=item.records,
            disclosures=item.disclosures,
            receipts={seq: raw.decode() for seq, raw in (item.receipts or {}).items()},
        )
        for item in make.items()
    ]
    packing = writer.Packing(
        id=UUID(make.PACKAGE_ID),
        origin=make.ORIGIN,
        made_at=datetime(2026, 3, 1, 12, tzinfo=UTC),
        items=items,
        heads=[make.head_of(list(item.records)) for item in make.items()],
        withheld=make.withheld(),
        sign=make.key("export").sign,
    )
    file = tmp_path / "exported.zip"
    file.write_bytes(b"".join(writer.write(packing)))
    return file


def test_an_export_verifies_and_is_a_bag(exported: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(exported).extractall(tmp_path / "unpacked")
    (folder,) = (tmp_path / "unpacked").iterdir()

    assert verify(exported, make.trust_root()).findings == []
    assert verify(folder, make.trust_root()).findings == []
    assert bagit.Bag(str(folder)).validate()


def test_one_altered_byte_of_an_export_is_found(exported: Path) -> None:
    raw = bytearray(exported.read_bytes())
    raw[raw.index(make.FOOTAGE) + 7] ^= 1
    exported.write_bytes(raw)

    (finding,) = verify(exported, make.trust_root()).findings

    assert told(finding) == ("O01", STOP, None, ORIGINAL)
