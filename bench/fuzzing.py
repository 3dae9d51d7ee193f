"""Every operation of the interface by schemathesis, on many more requests than the tests have time for.

    python -m bench.fuzzing          # 100 of each operation, allowed and not
    python -m bench.fuzzing 1000

Stops at the first answer of 5xx or that the description of the interface does not have.
"""

import sys
import tempfile
from collections import Counter
from pathlib import Path

from starlette.testclient import TestClient

from evidence.engines import postgres
from evidence.main import create_app
from tests.support.database import database_from, migrated_template
from tests.support.fuzzing import OPERATIONS, fuzz
from tests.support.rooms import room_for
from tests.support.town import a_town


def main(examples: int) -> None:
    statuses: Counter[int] = Counter()
    with (
        tempfile.TemporaryDirectory() as folder,
        postgres.attached(Path(folder)) as cluster,
        migrated_template(cluster) as template,
        database_from(cluster, template) as database,
        room_for(database, Path(folder) / "room") as room,
        TestClient(create_app(room), raise_server_exceptions=False) as client,
    ):
        town = a_town(room)
        for operation in OPERATIONS:
            found = fuzz(client, town, operation, examples=examples)
            print(f"{operation.label}: {dict(sorted(found.items()))}", flush=True)
            statuses += found
    print(f"{statuses.total():,} requests, {sum(n for status, n in statuses.items() if status >= 500)} answers of 5xx")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100)
