"""The registry is closed, written up, and every act of it has a golden record."""

import json
import re
from pathlib import Path

import pytest

from evidence.proof import FormatError, acts, canonical, record
from tests.vectors import make

FORMAT = (Path(record.__file__).parent / "FORMAT.md").read_text()
GOLDEN = json.loads((Path(__file__).parents[2] / "vectors" / "records.json").read_text())

EMITTED_LATER = """
hold.placed hold.released retention.decided item.disposed key.destroyed item.expunged item.redacted item.produced
production.delivered item.transferred item.transfer_received
"""


def example(act: str) -> tuple[str, make.Body]:
    return next((chain, dict(body)) for chain, body in make.EXAMPLES if body["act"] == act)


@pytest.mark.parametrize("name", acts.ACTS)
def test_every_act_has_a_golden_record_that_it_allows(name: str) -> None:
    case = next(case for case in GOLDEN["records"] if case["act"] == name)

    body = canonical.decode(record.parse(case["raw"].encode()).body)

    assert acts.check(case["chain"], body) is acts.ACTS[name]


def test_acts_of_later_work_are_defined() -> None:
    assert set(EMITTED_LATER.split()) <= acts.ACTS.keys()


def row(act: acts.Act) -> str:
    every = {"n", "act", "clk", "actor", "req", "facts"}
    often = {"on_behalf", "sd", "tool", "pol", "att"}
    cells = (
        act.chains,
        act.required - every,
        act.allowed - act.required - every - often,
        act.facts_required,
        act.facts_allowed - act.facts_required,
    )
    return f"| `{act.name}` | " + " | ".join(" ".join(sorted(cell)) or "-" for cell in cells) + f" | {act.sentence} |"


def test_the_table_of_the_format_is_the_registry() -> None:
    rows = re.findall(r"^\| `(?!bagit)[a-z_]+\.[a-z_]+` \|.*$", FORMAT, re.MULTILINE)

    assert rows == [row(act) for act in acts.ACTS.values()]


@pytest.mark.parametrize(
    "change",
    [
        {"n": "0"},
        {"n": 7},
        {"act": "item.eaten"},
        {"clk": {}},
        {"clk": {"source": "x", "more": 1}},
        {"clk": 7},
        {"occ": ""},
        {"req": 7},
        {"actor": {"type": "account"}},
        {"on_behalf": {"type": "account", "id": "1", "name": "J. Doe"}},
        {"obj": []},
        {"obj": {}},
        {"obj": [{"role": "original"}]},
        {"obj": [{"role": "original", "id": "1", "name": "x"}]},
        {"obj": [{"role": "original", "id": "1", "enc": {}}]},
        {"tool": {"name": "x"}},
        {"att": [{"kind": "declared"}]},
        {"att": []},
        {"src": ["0" * 64]},
        {"sd": ["x"]},
        {"sd": ["B" * 43, "A" * 43]},
        {"sd": ["A" * 43, "A" * 43]},
        {"facts": {}},
        {"facts": {"upload": "1", "filename": "x"}},
        {"facts": 7},
        {"more": 1},
    ],
    ids=repr,
)
def test_a_body_the_act_does_not_allow_is_refused(change: make.Body) -> None:
    chain, body = example("item.received")
    assert acts.check(chain, body) in acts.ACTS.values()

    with pytest.raises(FormatError):
        acts.check(chain, {**body, **change})


@pytest.mark.parametrize("src", ["x", "F" * 64, 7])
def test_a_source_is_a_digest(src: object) -> None:
    chain, body = example("item.redacted")
    assert acts.check(chain, body) in acts.ACTS.values()

    with pytest.raises(FormatError):
        acts.check(chain, {**body, "src": [src]})


@pytest.mark.parametrize("missing", ["n", "act", "clk", "actor", "req", "obj", "facts"])
def test_a_body_that_lacks_a_member_is_refused(missing: str) -> None:
    chain, body = example("item.received")
    del body[missing]

    with pytest.raises(FormatError):
        acts.check(chain, body)


def test_an_act_stands_on_its_own_kinds_of_chain_only() -> None:
    _chain, body = example("item.received")

    with pytest.raises(FormatError, match="does not stand"):
        acts.check(f"account/{make.OFFICER}", body)


def test_a_body_is_an_object() -> None:
    with pytest.raises(FormatError):
        acts.check("_keys", [])
