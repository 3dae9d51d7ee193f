"""Every condition of every cell decides: worlds that differ in it alone are decided differently.

And the worlds notice when a condition is taken out of the table, or a cell says more than it should.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

import pytest

from auth.principals import Role
from evidence.access import Action
from evidence.access.facts import SAID
from evidence.access.roles import CELLS
from tests.evidence.access.matrix import cells, occurrences
from tests.evidence.access.worlds import BREAKS, World, meeting

OCCURRENCES = list(occurrences())

PROJECTIONS = {"noevid", "scope"}
"""They take nothing away from whom the cell allows, but from what is shown: tests of the fields show them."""


def pairs() -> Iterator[tuple[Action, Role, tuple[str, ...], str, World, World]]:
    """Return every condition with the world in which its alternative is met, and every one in which it alone fails."""
    for action, role, alternative, name in OCCURRENCES:
        for broken in BREAKS.get(name, ()):
            met = meeting(role, alternative)
            yield action, role, tuple(alternative), name, met, replace(met, **broken)


PAIRS = list(pairs())


def test_every_condition_flips_the_decision() -> None:
    wrong = [
        (action, role, name, without)
        for action, role, _, name, met, without in PAIRS
        if not met.decide(action).allowed or without.decide(action).allowed
    ]

    assert wrong == []
    flipped = {(action, role, alternative, name) for action, role, alternative, name, *_ in PAIRS}
    assert len(OCCURRENCES) == 381
    assert len(flipped) == 381 - sum(name in PROJECTIONS for *_, name in OCCURRENCES) == 371


def test_a_refusal_names_the_condition_that_failed() -> None:
    for action, _, _, name, _, without in PAIRS:
        said = without.decide(action).reason
        assert SAID[name] in said, (action, name, said)


@contextmanager
def changed(monkeypatch: pytest.MonkeyPatch, action: Action, role: Role, cell: str) -> Iterator[None]:
    """Let one cell read otherwise."""
    row: Mapping[Role, str] = {**CELLS[action], role: cell}
    with monkeypatch.context() as patch:
        patch.setitem(CELLS, action, row)
        yield


def test_every_condition_taken_out_of_the_table_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    survived = []
    killers: dict[tuple[Action, Role, tuple[str, ...], str], list[World]] = {}
    for action, role, alternative, name, _, without in PAIRS:
        killers.setdefault((action, role, alternative, name), []).append(without)
    for (action, role, alternative, name), worlds in killers.items():
        rest = "+".join(each for each in alternative if each != name) or "A"
        others = [each.strip() for each in CELLS[action][role].split("|")]
        mutant = " | ".join(rest if each.split("+") == list(alternative) else each for each in others)
        with changed(monkeypatch, action, role, mutant):
            survived += [(action, role, name) for world in worlds if not world.decide(action).allowed]

    assert survived == []
    assert len(killers) == 371


def test_every_alternative_taken_out_of_the_table_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    survived = []
    for action, role, cell in cells():
        for gone in cell:
            rest = " | ".join("+".join(each) for each in cell if each != gone)
            with changed(monkeypatch, action, role, rest):
                if meeting(role, gone).decide(action).allowed:
                    survived.append((action, role, gone))

    assert survived == []


def test_content_shown_by_mistake_to_a_role_that_sees_none_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    without_content = [(action, role, cell[0]) for action, role, cell in cells() if ["noevid"] in cell]

    for action, role, alternative in without_content:
        world = meeting(role, alternative)
        assert not world.decide(action).content
        with changed(monkeypatch, action, role, "A"):
            assert world.decide(action).content
    assert len(without_content) == 7
