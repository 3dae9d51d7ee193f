"""The verifier stands alone: it loads nothing of the server, and runs from one file on bare Python."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from evidence.proof import package
from evidence.verify import archive
from tests.tamper.catching import ORIGINAL, RECORDS, STOP
from tests.vectors import make

ROOT = Path(__file__).parents[2]


def ran(arguments: list[str], folder: Path) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(arguments, cwd=folder, env={}, capture_output=True, timeout=120, check=False)


def test_importing_it_loads_the_standard_library_and_proof_and_nothing_else() -> None:
    script = (
        "import sys; before = set(sys.modules); import evidence.verify.__main__, evidence.verify.archive\n"
        "import json; print(json.dumps(sorted(set(sys.modules) - before)))"
    )
    loaded = json.loads(ran([sys.executable, "-c", script], ROOT).stdout)

    ours = {name for name in loaded if name.split(".")[0] == "evidence"}
    others = {name.split(".")[0] for name in loaded} - {"evidence"}
    assert {name for name in ours if name.count(".")} >= {"evidence.proof", "evidence.verify"}
    assert {".".join(name.split(".")[:2]) for name in ours} == {"evidence", "evidence.proof", "evidence.verify"}
    assert others <= sys.stdlib_module_names


def test_the_check_would_see_a_server() -> None:
    script = "import evidence.settings, sys; print('pydantic' in sys.modules)"

    assert ran([sys.executable, "-c", script], ROOT).stdout.strip() == b"True"


@pytest.fixture(scope="module")
def one_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return archive.build(tmp_path_factory.mktemp("dist") / "evidence-verify.pyz")


def mutants() -> dict[str, make.Files]:
    good = make.pack()
    records = good[RECORDS]
    return {
        "C01": {**good, RECORDS: records.replace(b'{"act"', b'{ "act"', 1)},
        "C02": {**good, RECORDS: records.replace(b'"password"', b'"passw0rd"', 1)},
        "C07": {**good, RECORDS: records[: records.rindex(b"custody.v1")]},
        "O01": {**good, ORIGINAL: b"other footage"},
        "O02": {path: raw for path, raw in good.items() if path != ORIGINAL},
        "D01": {**good, package.disclosures_path(STOP): package.write_disclosures(["AAAA"] * 3)},
        "D02": {**good, package.disclosures_path(STOP): package.write_disclosures([])},
        "K01": {**good, package.HEADS: make.pack(by=make.key("receipt"))[package.HEADS]},
        "R01": {**good, package.receipt_path(STOP, 1): good[package.receipt_path(make.INTERVIEW, 1)]},
        "P01": {**good, "data/more.txt": b"more"},
    }


@pytest.mark.parametrize("code", ["none", *mutants()])
@pytest.mark.parametrize("form", [[], ["--json"]], ids=["words", "json"])
def test_on_bare_python_it_says_the_same_as_here(code: str, form: list[str], one_file: Path, tmp_path: Path) -> None:
    place = tmp_path / "package.zip"
    place.write_bytes(make.zipped(make.pack() if code == "none" else make.relist(mutants()[code])))
    trust = tmp_path / "trust.json"
    trust.write_bytes(make.trust_root().write())
    empty = tmp_path / "empty"
    empty.mkdir()
    asked = [str(place), "--trust", str(trust), *form]

    bare = ran([sys.executable, "-I", "-S", str(one_file), *asked], empty)
    here = ran([sys.executable, "-m", "evidence.verify", *asked], ROOT)

    assert (bare.returncode, bare.stdout, bare.stderr) == (here.returncode, here.stdout, here.stderr)
    assert bare.returncode == (0 if code == "none" else 7)
    if code != "none":
        assert code.encode() in bare.stdout


def test_on_bare_python_it_says_what_is_missing(one_file: Path, tmp_path: Path) -> None:
    bare = ran([sys.executable, "-I", "-S", str(one_file), "nothing.zip", "--trust", "nothing.json"], tmp_path)

    assert bare.returncode == 2
    assert b"Nothing was verified" in bare.stderr
