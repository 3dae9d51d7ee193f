"""Another evaluator, by policies that were written by hand from the design, decides every question as we do."""

import re
from collections import Counter

import pytest

from evidence.access import Action
from evidence.access.roles import CELLS
from tests.evidence.access.oracle import (
    POLICIES,
    Question,
    cedars,
    drawn_questions,
    ours,
    pointed_questions,
    statements,
)

TEXT = POLICIES.read_text()
POINTED = pointed_questions()


def differences(questions: list[Question], policies: str = TEXT) -> list[tuple[Question, bool]]:
    """Return the questions answered differently, with our answer."""
    answers = zip(questions, ours(questions), cedars(questions, policies), strict=True)
    return [(question, mine) for question, mine, other in answers if mine != other]


def test_the_oracle_agrees_where_a_condition_or_a_gate_decides() -> None:
    assert differences(POINTED) == []
    assert len(POINTED) > 30_000


def test_the_oracle_agrees_on_a_hundred_thousand_questions() -> None:
    allowed: Counter[Action] = Counter()
    for part in range(10):
        questions = drawn_questions(10_000, seed=4711 + part)
        mine = ours(questions)
        assert mine == cedars(questions)
        allowed += Counter(action for (_, action, _), yes in zip(questions, mine, strict=True) if yes)

    assert len(allowed) == 44
    assert 10_000 < allowed.total() < 50_000, "questions that are all answered alike compare nothing"


def test_every_line_of_the_policies_is_needed() -> None:
    """So that the oracle is no copy of which nobody noticed that half of it never speaks."""
    answers = list(zip(POINTED, ours(POINTED), strict=True))
    allowed = [question for question, yes in answers if yes]
    refused = [question for question, yes in answers if not yes]
    idle, lines = [], 0
    for statement in statements(TEXT):
        others = "".join(each for each in statements(TEXT) if each is not statement)
        if statement.startswith("forbid"):
            named = [each for each in refused if f'"{each[1]}"' in statement]
            if not any(cedars(named or refused[::15], others)):
                idle.append(statement)
            continue
        for line in statement.splitlines():
            if role := re.match(r' *\(?principal in \w+::"(\w+)"', line):
                without = statement.replace(line, re.sub(r"\S.*?( \|\|)?$", r"false\1", line), 1)
                asked = [each for each in allowed if role[1] in each[0].roles and f'"{each[1]}"' in statement]
                lines += 1
                if all(cedars(asked, others + without)):
                    idle.append(line)

    assert idle == []
    assert lines > 250


@pytest.mark.parametrize(
    ("action", "role", "cell"),
    [
        ("evidence.stream", "officer", "own | grant"),
        ("hold.release", "agency_admin", "two+why"),
        ("custody.read", "agency_admin", "A"),
        ("evidence.list", "auditor", "A"),
        ("disclose.public", "records_clerk", "red+two+why+step"),
        ("case.refer", "detective", "case | grant"),
    ],
)
def test_a_table_that_says_something_else_is_noticed(
    monkeypatch: pytest.MonkeyPatch, action: Action, role: str, cell: str
) -> None:
    monkeypatch.setitem(CELLS, action, {**CELLS[action], role: cell})

    pointed = differences([each for each in POINTED if each[1] == action])
    assert {(yes, *world.roles) for (world, _, _), yes in pointed} == {(True, role)}
    assert differences(drawn_questions(2_000, seed=1, actions=[action]))
