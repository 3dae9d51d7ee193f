"""A second opinion on every decision: policies written by hand, judged by Cedar's evaluator."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import cache
from itertools import groupby
from json import dumps
from pathlib import Path
from random import Random
from typing import Any

import cedarpy

from evidence.access import Action
from tests.evidence.access.matrix import cells
from tests.evidence.access.worlds import ACTIONS, AGAINST, BREAKS, FOR, FRESH, MEETS, Case, World, drawn, meeting, of

POLICIES = Path(__file__).parent / "policies.cedar"

OF_A_THING = ("evidence.", "redaction.", "disclose.", "custody.", "case.")
BEHIND_GLASS = ("evidence.stream", "evidence.download_original", "evidence.download_derivative")
KNOWN_OF = ("evidence.list", "case.read", "custody.read", "custody.verify")

Question = tuple[World, Action, bool]
"""A world, an action, and whether it is asked for what the thing says, not only for the act."""


def ours(questions: Iterable[Question]) -> list[bool]:
    """Answer by evidence/access."""
    answers = []
    for world, action, content in questions:
        decision = world.decide(action)
        answers.append(decision.allowed and (decision.content or not content))
    return answers


def cedars(questions: Sequence[Question], policies: str | None = None) -> list[bool]:
    """Answer by Cedar."""
    text = POLICIES.read_text() if policies is None else policies
    people = {_name(world): _person(world) for world, _, _ in questions}
    entities = cedarpy.Entities.from_json_str(dumps([*people.values(), *_actions()]))
    answers: dict[int, bool] = {}
    by_action = sorted(range(len(questions)), key=lambda number: questions[number][1])
    for action, some in groupby(by_action, key=lambda number: questions[number][1]):
        numbers = list(some)
        requests = [_request(questions[number]) for number in numbers]
        results = cedarpy.is_authorized_batch(requests, _rules(text, action), entities)
        for number, result in zip(numbers, results, strict=True):
            if result.diagnostics.errors:
                raise AssertionError(result.diagnostics.errors)
            answers[number] = result.allowed
    return [answers[number] for number in range(len(questions))]


def pointed_questions() -> list[Question]:
    """Ask about every cell where exactly what it asks is met, and where one condition or gate of it fails."""
    worlds: list[tuple[World, Action]] = []
    for action, role, cell in cells():
        worlds += [(of(role, world), action) for world in (FOR, AGAINST, replace(FOR, ours=False))]
        worlds += [(meeting(role, [name]), action) for name in MEETS]
        for alternative in cell:
            met = meeting(role, alternative)
            broken = [replace(met, **each) for name in alternative for each in BREAKS.get(name, ())]
            worlds += [(world, action) for world in (met, *broken)]
            worlds += [(replace(met, ours=False, cases=cases), action) for cases in (met.cases, FOR.cases, REFERRED)]
            worlds += [(replace(met, barred=True), action)]
            worlds += [
                (replace(met, access_class=access_class, cases=cases), action)
                for access_class in ("restricted", "confidential")
                for cases in (met.cases, FOR.cases, REFERRED)
            ]
    return [(world, action, content) for world, action in dict.fromkeys(worlds) for content in (False, True)]


REFERRED = (Case(referred=True),)


def drawn_questions(count: int, *, seed: int, actions: Sequence[Action] = ACTIONS) -> list[Question]:
    """Draw questions, every action as often as any other."""
    choose = Random(seed)
    return [(drawn(choose), actions[number % len(actions)], choose.random() < 0.3) for number in range(count)]


@cache
def _rules(policies: str, action: Action) -> Any:
    """Parse the policies that may have a say about this action: all but those whose head names others."""
    say = [each for each in statements(policies) if action in _named(each) or not _named(each)]
    return cedarpy.PolicySet.from_str("\n".join(say))


@cache
def _named(statement: str) -> frozenset[Action]:
    """Return the actions that the head of a policy names: it has no say about any other."""
    head = re.split(r"\b(?:when|unless)\b", statement)[0]
    return frozenset(each for each in ACTIONS if f'Action::"{each}"' in head)


@cache
def statements(policies: str) -> Sequence[str]:
    return re.split(r"^(?=permit|forbid)", policies, flags=re.MULTILINE)[1:]


def _request(question: Question) -> dict[str, Any]:
    world, action, content = question
    return {
        "principal": {"type": "Person", "id": _name(world)},
        "action": {"type": "Action", "id": action},
        "resource": {"type": "Thing", "id": "it"},
        "context": _context(world) | {"content": content},
    }


def _context(world: World) -> dict[str, Any]:
    """State the facts of a world under the names of the design's conditions."""
    return {
        "own": world.badge == "same" or world.officer == "me" or world.brought == "by me",
        # A badge counts for who has one.
        "recorder": world.badge == "same" or world.officer == "me",
        "may_be_recorder": world.claimed == "by the roster for me"
        or (world.claimed == "by my badge" and world.badge != "neither has one"),
        "self": world.brought == "by me",
        "dockown": world.is_dock and world.brought != "by somebody",
        "unit": world.supervises,
        "case": any(each.assigned for each in world.cases),
        "caseP": any(each.assigned and each.referred for each in world.cases),
        "iac": any(each.assigned and each.internal for each in world.cases),
        "referred": any(each.referred for each in world.cases),
        "case_open": any(each.is_open for each in world.cases),
        "grant": world.granted == "this",
        "disc": world.disclosed,
        "rel": world.released,
        "why": world.reason == "given",
        "step": world.signed_in in FRESH,
        "two": world.approved,
        "red": world.redaction,
        "bg": world.broken_glass and bool(world.roles & {"agency_admin", "system_admin"}),
        "own_account": world.account == "mine",
        "author": world.author,
        "listed": world.listed,
        "barred": world.barred,
        "on_hold": world.on_hold,
        "do_not_disclose": world.do_not_disclose,
        "class": world.access_class,
    }


def _name(world: World) -> str:
    return f"{'/'.join(sorted(world.roles))} of {'this' if world.ours else 'another'} agency"


def _person(world: World) -> dict[str, Any]:
    kind = "Role" if world.ours else "Visitor"
    parents = [{"type": kind, "id": role} for role in sorted(world.roles)]
    return {"uid": {"type": "Person", "id": _name(world)}, "attrs": {}, "parents": parents}


def _actions() -> list[dict[str, Any]]:
    groups: dict[str, Callable[[Action], bool]] = {
        "shows a thing": lambda action: action.startswith(OF_A_THING),
        "knows that it is there": lambda action: action in KNOWN_OF,
        "opens behind glass": lambda action: action in BEHIND_GLASS,
        "is about a case": lambda action: action.startswith("case."),
    }
    return [
        {
            "uid": {"type": "Action", "id": action},
            "attrs": {},
            "parents": [{"type": "Action", "id": name} for name, holds in groups.items() if holds(action)],
        }
        for action in ACTIONS
    ]
