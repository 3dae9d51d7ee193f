"""Kill a process at each of its external effects, and see what the next one finds.

An external effect is what outlives the process: a statement sent to the database, a commit, a
call of the object store.  A scenario runs in a forked child, which says over a pipe what its
client was told; the child is killed with SIGKILL before and after each effect in turn.  No code
of the product is changed for it.

The parent starts no thread: everything that does runs in a child.
"""

import json
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import Any, cast

import psycopg

from evidence.room import Room
from evidence.storage.store import ObjectStore
from evidence.storage.vault import Vault

Say = Callable[..., None]
"""Tells the parent one thing, as a list that JSON can carry."""

Scenario = Callable[["Effects", Say], None]


@dataclass
class Effects:
    """Counts the effects of this process, and kills it at the chosen one."""

    die_at: int | None = None
    seen: list[str] = field(default_factory=list)
    _guard: Lock = field(default_factory=Lock)

    def tick(self, name: str) -> None:
        with self._guard:
            self.seen.append(name)
            if len(self.seen) == self.die_at:
                os.kill(os.getpid(), signal.SIGKILL)

    def watch(self, room: Room) -> Room:
        """Watch everything this process does to the database, and the room's object store."""
        for kind, name in ((psycopg.Cursor, "execute"), (psycopg.Connection, "commit")):
            setattr(kind, name, self._watched(getattr(kind, name), name))
        store = cast("ObjectStore", _WatchedStore(room.vault.store, self))
        return replace(room, vault=Vault(store, room.vault.keyring))

    def _watched(self, call: Callable[..., Any], name: str) -> Callable[..., Any]:
        def watched(*arguments: Any, **named: Any) -> Any:
            self.tick(f"before {name}")
            answer = call(*arguments, **named)
            self.tick(f"after {name}")
            return answer

        return watched


class _WatchedStore:
    """An object store whose calls are effects."""

    def __init__(self, store: ObjectStore, effects: Effects) -> None:
        self._store = store
        self._effects = effects

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._store, name)
        return self._effects._watched(found, f"store.{name}") if callable(found) else found


@dataclass(frozen=True)
class Outcome:
    """What a child said before it ended, and how it ended."""

    said: list[list[Any]]
    killed: bool
    failure: str | None


def in_a_child(scenario: Scenario, *, die_at: int | None = None) -> Outcome:
    """Run the scenario in a forked child and return what came of it."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _be_the_child(scenario, writing, die_at)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        lines = [json.loads(line) for line in pipe if line.endswith(b"\n")]
    _, status = os.waitpid(child, 0)
    failures = [line[1] for line in lines if line[0] == "failure"]
    return Outcome(
        said=[line for line in lines if line[0] != "failure"],
        killed=os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL,
        failure=failures[0] if failures else None,
    )


def effects_of(scenario: Scenario) -> list[str]:
    """Run the scenario unharmed and return its effects, by name."""

    def counted(effects: Effects, say: Say) -> None:
        scenario(effects, lambda *_: None)
        say("effects", effects.seen)

    outcome = in_a_child(counted)
    assert outcome.failure is None, outcome.failure
    return list(outcome.said[0][1])


def _be_the_child(scenario: Scenario, writing: int, die_at: int | None) -> None:
    def say(*what: Any) -> None:
        os.write(writing, json.dumps(what).encode() + b"\n")

    try:
        scenario(Effects(die_at), say)
    except BaseException as error:  # noqa: BLE001  # whatever it is, the parent has to hear of it
        with suppress(OSError):
            say("failure", f"{type(error).__name__}: {error}")
    finally:
        # No clean-up of what belongs to the parent, and no report of its tests.
        os._exit(0)
