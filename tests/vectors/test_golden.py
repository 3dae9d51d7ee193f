"""The golden bytes are what make.py makes, byte for byte."""

from pathlib import Path

import pytest

from evidence.proof import acts
from tests.vectors import make

MADE = make.made()


@pytest.mark.parametrize("name", MADE)
def test_the_committed_bytes_are_made_again(name: str) -> None:
    assert (make.HERE / name).read_bytes() == MADE[name]


def test_every_act_has_a_golden_record() -> None:
    assert len(make.EXAMPLES) == len(acts.ACTS)
    assert {body["act"] for _chain, body in make.EXAMPLES} == acts.ACTS.keys()


def test_making_writes_every_file(tmp_path: Path) -> None:
    make.main(tmp_path)

    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == MADE
