"""The verifier as one file: the same bytes whenever it is built, and whole."""

import runpy
import sys
import zipfile
from pathlib import Path

import pytest

from evidence.verify import archive


def test_the_same_sources_give_the_same_bytes(tmp_path: Path) -> None:
    first = archive.build(tmp_path / "one" / "verify.pyz").read_bytes()
    (tmp_path / "two.pyz").write_bytes(b"an older one, much longer" * 100_000)

    assert archive.build(tmp_path / "two.pyz").read_bytes() == first


def test_it_holds_the_proofs_and_the_verifier_and_nothing_else(tmp_path: Path) -> None:
    names = zipfile.ZipFile(archive.build(tmp_path / "verify.pyz")).namelist()

    assert {name.rpartition("/")[0] for name in names} == {"", "evidence", "evidence/proof", "evidence/verify"}
    assert [name for name in names if name.startswith("evidence/") and name.count("/") == 1] == ["evidence/__init__.py"]
    assert {Path(name).suffix for name in names} == {".py"}


@pytest.mark.parametrize("module", ["evidence.verify.archive", "evidence.verify"])
def test_as_a_program_it_ends_as_it_should(module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "verify.pyz"
    monkeypatch.delitem(sys.modules, "evidence.verify.archive")
    monkeypatch.delitem(sys.modules, "evidence.verify.__main__", raising=False)
    monkeypatch.setattr(sys, "argv", ["program", str(out)])

    if module == "evidence.verify":
        with pytest.raises(SystemExit, match="2"):
            runpy.run_module(module, run_name="__main__", alter_sys=False)
    else:
        runpy.run_module(module, run_name="__main__", alter_sys=False)
        assert zipfile.is_zipfile(out)
