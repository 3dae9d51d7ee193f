"""Worlds for the rules: every fact a rule may ask is drawn first, and principal and thing are built from it.

So whoever judges a world by its facts (the cells of the matrix, the policies of the oracle) need not ask
our own conditions whether they hold.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, Literal, get_args
from uuid import UUID

from auth.principals import Principal, Role
from evidence import access
from evidence.access import Action, Decision, Thing
from evidence.cases.standing import CaseStanding
from evidence.items.models import AccessClass

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
OURS = UUID("0190aaaa-0000-7000-8000-00000000000a")
THEIRS = UUID("0190aaaa-0000-7000-8000-00000000000b")
ME = UUID("0190aaaa-0000-7000-8000-000000000001")
SOMEBODY = UUID("0190aaaa-0000-7000-8000-000000000002")

ROLES: Sequence[Role] = get_args(Role)
ACTIONS: Sequence[Action] = get_args(Action)

SIGN_INS: Mapping[str, datetime | None] = {
    "just now": NOW,
    "a quarter of an hour ago": NOW - timedelta(minutes=15),
    "too long ago": NOW - timedelta(minutes=15, microseconds=1),
    "in the future": NOW + timedelta(microseconds=1),
    "never": None,
}
FRESH = ("just now", "a quarter of an hour ago")
REASONS = {"given": "the trial of State v. Marsh", "blank": " \t\n", "empty": "", "none": None}


Badge = Literal["same", "other", "neither has one"]
Officer = Literal["me", "somebody", "nobody known"]
Claimed = Literal["by my badge", "by the roster for me", "by others", "by nobody"]


@dataclass(frozen=True, kw_only=True)
class Case:
    """One case the thing belongs to, as it stands to whoever asks."""

    assigned: bool = False
    referred: bool = False
    """It was referred to the agency of whoever asks."""
    internal: bool = False
    is_open: bool = False

    def standing(self) -> CaseStanding:
        return CaseStanding(
            assigned=frozenset({SOMEBODY, ME} if self.assigned else {SOMEBODY}),
            referred_to=frozenset({OURS} if self.referred else {UUID(int=3)}),
            is_internal=self.internal,
            is_open=self.is_open,
        )


@dataclass(frozen=True, kw_only=True)
class World:
    """One question, as facts. Built as it stands here, everything speaks against whoever asks."""

    roles: frozenset[Role] = frozenset()
    is_dock: bool = False
    ours: bool = True
    badge: Badge = "other"
    officer: Officer = "nobody known"
    """Whose recording it is by roster or decision."""
    claimed: Claimed = "by nobody"
    """Who may have recorded it, where roster and badge differ."""
    brought: Literal["by me", "by somebody", "by nobody yet"] = "by somebody"
    account: Literal["mine", "somebody's", "of nobody"] = "mine"
    supervises: bool = False
    cases: tuple[Case, ...] = ()
    granted: Literal["this", "something else", "to somebody else"] = "something else"
    disclosed: bool = False
    released: bool = False
    reason: str = "blank"
    signed_in: str = "too long ago"
    approved: bool = False
    do_not_disclose: bool = True
    on_hold: bool = True
    redaction: bool = False
    broken_glass: bool = False
    author: bool = True
    listed: bool = True
    barred: bool = False
    access_class: AccessClass = "unrestricted"

    def principal(self) -> Principal:
        return Principal(
            kind="dock" if self.is_dock else "account",
            id=ME,
            agency_id=OURS,
            roles=self.roles,
            name="A. Person",
            method="password",
            signed_in_at=NOW,
            strong_at=SIGN_INS[self.signed_in],
            badge=None if self.badge == "neither has one" else "4711",
        )

    def thing(self, action: Action) -> Thing:
        return Thing(
            agency_id=OURS if self.ours else THEIRS,
            officer_badge={"same": "4711", "other": "0815", "neither has one": None}[self.badge],
            officer_id={"me": ME, "somebody": SOMEBODY, "nobody known": None}[self.officer],
            claimed_badge={"by my badge": "4711", "by others": "0815"}.get(self.claimed),
            claimed_id={"by the roster for me": ME, "by others": SOMEBODY}.get(self.claimed),
            brought_by={"by me": ME, "by somebody": SOMEBODY, "by nobody yet": None}[self.brought],
            account_id={"mine": ME, "somebody's": SOMEBODY, "of nobody": None}[self.account],
            cases=tuple(each.standing() for each in self.cases),
            supervisors=people(self.supervises),
            access_class=self.access_class,
            granted=self._granted(action),
            broken_glass=people(self.broken_glass),
            listed=people(self.listed),
            barred=people(self.barred),
            authors=people(self.author),
            disclosed_to=people(self.disclosed),
            do_not_disclose=self.do_not_disclose,
            is_on_hold=self.on_hold,
            is_redaction=self.redaction,
            is_released=self.released,
        )

    def _granted(self, action: Action) -> dict[UUID, frozenset[Action]]:
        others = frozenset(ACTIONS) - {action}
        return {
            "this": {ME: frozenset({action}), SOMEBODY: others},
            "something else": {ME: others, SOMEBODY: frozenset({action})},
            "to somebody else": {SOMEBODY: frozenset(ACTIONS)},
        }[self.granted]

    def decide(self, action: Action) -> Decision:
        return access.allow(
            self.principal(),
            action,
            self.thing(action),
            at=NOW,
            reason=REASONS[self.reason],
            approved=self.approved,
        )


def people(with_me: bool) -> frozenset[UUID]:
    return frozenset({SOMEBODY, ME} if with_me else {SOMEBODY})


AGAINST = World()
"""Nothing is met, and whatever forbids, forbids."""

FOR = World(
    brought="by me",
    account="somebody's",
    supervises=True,
    cases=(Case(assigned=True, referred=True, internal=True),),
    granted="this",
    disclosed=True,
    released=True,
    reason="given",
    signed_in="just now",
    approved=True,
    do_not_disclose=False,
    on_hold=False,
    redaction=True,
    broken_glass=True,
    author=False,
    listed=False,
)
"""Every condition of the matrix is met, and nothing forbids."""


def of(role: Role, world: World = AGAINST) -> World:
    """Let somebody of this role ask."""
    return replace(world, roles=frozenset({role}), is_dock=role == "dock")


MEETS: Mapping[str, Mapping[str, Any]] = {
    "A": {},
    "own": {"brought": "by me"},
    "self": {"brought": "by me"},
    "dockown": {"brought": "by me"},
    "unit": {"supervises": True},
    "case": {"cases": (Case(assigned=True),)},
    "caseP": {"cases": (Case(assigned=True, referred=True),)},
    "iac": {"cases": (Case(assigned=True, internal=True),)},
    "grant": {"granted": "this"},
    "disc": {"disclosed": True},
    "rel": {"released": True},
    "why": {"reason": "given"},
    "step": {"signed_in": "just now"},
    "sod": {"account": "somebody's", "author": False, "listed": False},
    "nohold": {"on_hold": False},
    "two": {"approved": True},
    "dnd": {"do_not_disclose": False},
    "red": {"redaction": True},
    "bg": {"broken_glass": True},
    "noevid": {},
    "scope": {},
}
"""What has to be so that a condition is met, and nothing beyond it."""

BREAKS: Mapping[str, Sequence[Mapping[str, Any]]] = {
    "own": [
        {"brought": "by somebody"},
        {"brought": "by nobody yet"},
        {"brought": "by somebody", "badge": "other", "officer": "somebody"},
    ],
    "self": [{"brought": "by somebody"}, {"brought": "by nobody yet"}],
    "dockown": [{"brought": "by somebody"}, {"is_dock": False}],
    "unit": [{"supervises": False}],
    "case": [{"cases": ()}, {"cases": (Case(referred=True, internal=True),)}],
    "caseP": [
        {"cases": ()},
        {"cases": (Case(assigned=True),)},
        {"cases": (Case(referred=True),)},
        {"cases": (Case(assigned=True, internal=True), Case(referred=True))},
    ],
    "iac": [
        {"cases": ()},
        {"cases": (Case(assigned=True),)},
        {"cases": (Case(internal=True),)},
        {"cases": (Case(assigned=True, referred=True), Case(internal=True))},
    ],
    "grant": [{"granted": "something else"}, {"granted": "to somebody else"}],
    "disc": [{"disclosed": False}],
    "rel": [{"released": False}],
    "why": [{"reason": "blank"}, {"reason": "empty"}, {"reason": "none"}],
    "step": [{"signed_in": "too long ago"}, {"signed_in": "in the future"}, {"signed_in": "never"}],
    "sod": [
        {"account": "mine"},
        {"author": True},
        {"listed": True},
        {"badge": "same"},
        {"officer": "me"},
        {"claimed": "by my badge"},
        {"claimed": "by the roster for me"},
    ],
    "nohold": [{"on_hold": True}, {"cases": (Case(is_open=True),)}, {"cases": (Case(), Case(is_open=True))}],
    "two": [{"approved": False}],
    "dnd": [{"do_not_disclose": True}],
    "red": [{"redaction": False}],
    "bg": [{"broken_glass": False}],
}
"""Every way in which a condition that is met may come to fail, and nothing else with it."""


def meeting(role: Role, conditions: Sequence[str]) -> World:
    """Return the world of this role that has exactly what the conditions ask."""
    met: dict[str, Any] = {}
    for name in conditions:
        if twice := met.keys() & MEETS[name].keys():
            raise NotImplementedError(f"{twice} would have to meet two conditions of {conditions}")
        met |= MEETS[name]
    return replace(of(role), **met)


def drawn(choose: Random) -> World:
    """Draw a world; what forbids is drawn seldom enough that many are allowed."""
    roles = frozenset(choose.sample(ROLES, choose.choices([0, 1, 2, 3], [1, 20, 6, 2])[0]))
    return World(
        roles=roles,
        is_dock=choose.random() < 0.8 if "dock" in roles else choose.random() < 0.02,
        ours=choose.random() < 0.85,
        badge=choose.choice(get_args(Badge)),
        officer=choose.choices(get_args(Officer), [1, 2, 4])[0],
        claimed=choose.choices(get_args(Claimed), [1, 1, 3, 12])[0],
        brought=choose.choice(["by me", "by somebody", "by nobody yet"]),
        account=choose.choice(["mine", "somebody's", "of nobody"]),
        supervises=choose.random() < 0.5,
        cases=tuple(
            Case(
                assigned=choose.random() < 0.6,
                referred=choose.random() < 0.5,
                internal=choose.random() < 0.4,
                is_open=choose.random() < 0.3,
            )
            for _ in range(choose.choice([0, 1, 1, 2, 3]))
        ),
        granted=choose.choice(["this", "something else", "to somebody else"]),
        disclosed=choose.random() < 0.5,
        released=choose.random() < 0.5,
        reason=choose.choices([*REASONS], [9, 1, 1, 2])[0],
        signed_in=choose.choices([*SIGN_INS], [6, 2, 1, 1, 1])[0],
        approved=choose.random() < 0.7,
        do_not_disclose=choose.random() < 0.2,
        on_hold=choose.random() < 0.3,
        redaction=choose.random() < 0.6,
        broken_glass=choose.random() < 0.3,
        author=choose.random() < 0.2,
        listed=choose.random() < 0.2,
        barred=choose.random() < 0.15,
        access_class=choose.choices(get_args(AccessClass), [4, 1, 1])[0],
    )
