"""The permission matrix as it was decided: role and action -> alternatives -> conditions."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from auth.principals import Role
from evidence.access import Action

Cell = Sequence[Sequence[str]]
"""One of these alternatives, and of that all the conditions."""

MATRIX: Mapping[Action, Mapping[Role, str]] = json.loads(
    (Path(__file__).parent / "permission_matrix.json").read_text()
)["matrix"]


def alternatives(cell: str) -> Cell:
    return [] if cell == "-" else [each.split("+") for each in cell.split("|")]


def cells() -> Iterator[tuple[Action, Role, Cell]]:
    """Return all 616."""
    for action, row in MATRIX.items():
        for role, cell in row.items():
            yield action, role, alternatives(cell)


def occurrences() -> Iterator[tuple[Action, Role, Sequence[str], str]]:
    """Return every condition in every alternative of every cell."""
    for action, role, cell in cells():
        for alternative in cell:
            for name in alternative:
                if name != "A":
                    yield action, role, alternative, name
