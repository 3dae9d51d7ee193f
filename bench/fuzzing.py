"""The whole interface by schemathesis with every check of it that can hold, on more requests than tests have time for.

    python -m bench.fuzzing                       # 20 of each operation and kind, by every role in turn
    python -m bench.fuzzing 100 officer auditor   # so many, by these roles

Each role goes through all phases: every boundary of the description (coverage), made-up requests (fuzzing), and
operations one after another, where one's answer names what the next asks for (stateful).  Prints every answer of
5xx, every status that the description does not have, every other finding, and the statuses; ends with 1 when
there was a finding.

Not asked is that whatever the description allows be accepted (`positive_data_acceptance`): a title of control
characters, a file that is no roster, or a word that is no code cannot be told from others by their form.
"""

import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

import httpx2
import schemathesis
from requests import PreparedRequest
from requests.auth import AuthBase
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events, from_schema

from auth.principals import Role
from evidence.engines import postgres
from evidence.main import create_app
from evidence.room import Room
from tests.support.database import database_from, migrated_template
from tests.support.fuzzing import REFUSED_AS_WELL
from tests.support.people import Person, signed_in
from tests.support.rooms import room_for
from tests.support.town import a_town


class SignedIn(AuthBase):
    """Somebody who signs in anew for every request: among those made up are some that end a session."""

    def __init__(self, room: Room, person: Person) -> None:
        self.room, self.person = room, person

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        """Show who asks; a dock proves its key for this request."""
        person = self.person if self.person.key else signed_in(self.room, self.person.principal)
        shown = next(person.auth.auth_flow(httpx2.Request(str(request.method), str(request.url))))
        for name in {"Authorization", "DPoP"} & {each.title().replace("Dpop", "DPoP") for each in shown.headers}:
            request.headers[name] = shown.headers[name]
        return request


def fuzz(room: Room, person: Person, *, examples: int) -> tuple[Counter[int], list[str]]:
    """Put the application through all phases; return how often each status came, and what was found."""
    config = SchemathesisConfig.from_dict(
        {
            "generation": {"max-examples": examples, "deterministic": True, "database": "none"},
            "phases": {"examples": {"enabled": False}},
            "checks": {
                "positive_data_acceptance": {"enabled": False},
                "negative_data_rejection": {"expected-statuses": list(REFUSED_AS_WELL)},
            },
        }
    )
    schema: Any = schemathesis.openapi.from_asgi("/openapi.json", create_app(room), config=config)
    schema.auth.set_from_requests(SignedIn(room, person))
    statuses: Counter[int] = Counter()
    found: list[str] = []
    for event in from_schema(schema).execute():
        if isinstance(event, events.ScenarioFinished):
            answers = [each.response for each in event.recorder.interactions.values()]
            statuses.update(each.status_code for each in answers if each is not None)
            checks = [each for made in event.recorder.checks.values() for each in made]
            said = (f"{each.name}: {each.failure_info.failure}" for each in checks if each.failure_info)
            found += (f"{event.recorder.label}: {' '.join(each.split())}" for each in said)
        elif isinstance(event, events.NonFatalError | events.FatalError):
            found.append(f"it could not go on: {event}")
    return statuses, found


def main(examples: int, roles: Sequence[Role]) -> int:
    """Try the roles one after the other; return how many findings there were."""
    findings = 0
    with (
        tempfile.TemporaryDirectory() as folder,
        postgres.attached(Path(folder)) as cluster,
        migrated_template(cluster) as template,
    ):
        for role in roles:
            with database_from(cluster, template) as database, room_for(database, Path(folder) / role) as room:
                statuses, found = fuzz(room, a_town(room).people[role], examples=examples)
            for each in dict.fromkeys(found):
                print(f"  {each[:400]}")
            told = dict(sorted(statuses.items()))
            print(f"{role}: {statuses.total():,} requests, {len(found)} findings, {told}", flush=True)
            findings += len(found)
    return findings


if __name__ == "__main__":
    asked = sys.argv[1:]
    wanted = [each for each in get_args(Role) if each in asked[1:] or not asked[1:]]
    sys.exit(main(int(asked[0]) if asked else 20, wanted) > 0)
