"""The append function writes the bytes FORMAT.md asks for, once, in one unforked row, whoever else writes.

Every way in which home-made chains are known to break stands here as a broken ledger, which the
same scenarios and the same checker must catch.
"""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC
from uuid import UUID, uuid4

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from evidence import custody
from evidence.custody.ledger import array_of
from evidence.database import Sessions, unit_of_work
from evidence.ids import new_id
from evidence.proof import canonical, record
from tests.support.custody import ITEM_CHAIN, faults, rows, signed_in
from tests.support.database import ORIGIN, Database, driver_url

OURS = "custody_append"

BROKEN_TABLE = """
CREATE TABLE broken_record (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, chain text, seq bigint, h bytea, raw bytea, at timestamptz
)
"""

# What all broken ledgers share: everything but finding the predecessor and telling the time.
BROKEN_LEDGER = """
CREATE FUNCTION {name}(of_chain text, body text) RETURNS void LANGUAGE plpgsql AS $broken$
DECLARE
    last record;
    new_at timestamptz;
    new_raw bytea;
BEGIN
    {before}
    SELECT seq, h, at INTO last FROM broken_record WHERE chain = of_chain {find};
    IF NOT FOUND THEN
        SELECT 0::bigint AS seq,
            sha256(convert_to(E'custody.v1 genesis\n{origin}\n' || of_chain || E'\n', 'UTF8')) AS h,
            '-infinity'::timestamptz AS at
        INTO last;
    END IF;
    {wait}
    new_at := {clock};
    new_raw := convert_to(E'custody.v1\n{origin}\n' || of_chain || E'\n' || last.seq + 1 || E'\n'
        || encode(last.h, 'hex') || E'\n'
        || to_char({kept_at} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || E'\n' || body, 'UTF8');
    INSERT INTO broken_record (chain, seq, h, raw, at)
    VALUES (of_chain, last.seq + 1, sha256('\\x00'::bytea || {hashed}), new_raw, new_at);
END
$broken$
"""

SOUND_PARTS = {
    "before": "PERFORM pg_advisory_xact_lock(hashtext(of_chain));",
    "find": "ORDER BY seq DESC LIMIT 1",
    "wait": "",
    "clock": "greatest(clock_timestamp(), last.at)",
    "kept_at": "new_at",
    "hashed": "new_raw",
}

BROKEN_LEDGERS = {
    "reads_its_predecessor_unlocked": {"before": ""},
    "locks_the_last_row_it_sees": {"before": "", "find": "ORDER BY id DESC LIMIT 1 FOR UPDATE"},
    "locks_nothing_while_it_is_empty": {"before": "", "find": "ORDER BY seq DESC LIMIT 1 FOR UPDATE"},
    "orders_by_timestamp": {"find": "ORDER BY at DESC LIMIT 1", "clock": "now()"},
    "takes_the_time_its_transaction_began": {"clock": "now()"},
    "keeps_other_bytes_than_it_hashed": {
        "hashed": "convert_to(replace(convert_from(new_raw, 'UTF8'), '{', '{ '), 'UTF8')"
    },
}

Append = Callable[[psycopg.Connection, str], None]


@pytest.fixture
def connections(database: Database) -> Iterator[Callable[[], psycopg.Connection]]:
    opened: list[psycopg.Connection] = []

    def connect() -> psycopg.Connection:
        opened.append(psycopg.connect(driver_url(database.owner_url)))
        return opened[-1]

    yield connect
    for connection in opened:
        connection.close()


def ledger(connection: psycopg.Connection, name: str, **more: str) -> Append:
    """Return how to append to a ledger, ours or a broken one, which is made first."""
    if name == OURS:

        def append_ours(connection: psycopg.Connection, body: str) -> None:
            connection.execute(
                "SELECT * FROM custody_append(%s, %s, %s)", [[ITEM_CHAIN], [uuid4().hex], [body]]
            ).fetchall()

        return append_ours
    connection.execute(BROKEN_TABLE)
    parts = {**SOUND_PARTS, **BROKEN_LEDGERS[name], **more}
    connection.execute(BROKEN_LEDGER.format(name=name, origin=ORIGIN, **parts))
    connection.commit()

    def append_broken(connection: psycopg.Connection, body: str) -> None:
        connection.execute(f"SELECT {name}(%s, %s)", [ITEM_CHAIN, body])

    return append_broken


def table(name: str) -> str:
    return "custody_record" if name == OURS else "broken_record"


def wait_until_blocked_or_done(
    watcher: psycopg.Connection, writer: psycopg.Connection, thread: threading.Thread
) -> None:
    """Return once the writer waits for a lock or has ended, so that the scenario never depends on luck."""
    until = time.monotonic() + 20
    while thread.is_alive() and time.monotonic() < until:
        row = watcher.execute(
            "SELECT wait_event_type FROM pg_stat_activity WHERE pid = %s", [writer.info.backend_pid]
        ).fetchone()
        watcher.rollback()
        if row == ("Lock",):
            return
        time.sleep(0.01)


def two_at_once(connect: Callable[[], psycopg.Connection], append: Append) -> None:
    """The second writer comes while the first has appended and not committed."""
    first, second, watcher = connect(), connect(), connect()
    append(first, '{"by":"first"}')

    def write() -> None:
        append(second, '{"by":"second"}')
        second.commit()

    thread = threading.Thread(target=write)
    thread.start()
    wait_until_blocked_or_done(watcher, second, thread)
    first.commit()
    thread.join()


def onto_a_begun_chain(connect: Callable[[], psycopg.Connection], append: Append) -> None:
    with connect() as connection:
        append(connection, '{"by":"nobody"}')
    two_at_once(connect, append)


def older_after_younger(connect: Callable[[], psycopg.Connection], append: Append) -> None:
    """A transaction that began earlier appends later than one that began after it; then one more appends."""
    older, younger = connect(), connect()
    older.execute("SELECT 1")
    append(younger, '{"by":"younger"}')
    younger.commit()
    append(older, '{"by":"older"}')
    older.commit()
    append(younger, '{"by":"younger"}')
    younger.commit()


SCENARIOS = [two_at_once, onto_a_begun_chain, older_after_younger]


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_nothing_goes_wrong_when_two_write_to_one_chain(
    connections: Callable[[], psycopg.Connection], scenario: Callable[[Callable[[], psycopg.Connection], Append], None]
) -> None:
    scenario(connections, ledger(connections(), OURS))

    kept = rows(connections())
    assert faults(kept) == set()
    assert len(kept) >= 2


@pytest.mark.parametrize(
    ("name", "scenario", "fault"),
    [
        ("reads_its_predecessor_unlocked", onto_a_begun_chain, "fork"),
        ("locks_the_last_row_it_sees", onto_a_begun_chain, "fork"),
        ("locks_nothing_while_it_is_empty", two_at_once, "fork"),
        ("orders_by_timestamp", older_after_younger, "fork"),
        ("takes_the_time_its_transaction_began", older_after_younger, "time"),
        ("keeps_other_bytes_than_it_hashed", two_at_once, "hash"),
    ],
)
def test_every_ledger_known_to_break_is_caught_by_the_same_scenarios(
    connections: Callable[[], psycopg.Connection],
    name: str,
    scenario: Callable[[Callable[[], psycopg.Connection], Append], None],
    fault: str,
) -> None:
    scenario(connections, ledger(connections(), name))

    assert fault in faults(rows(connections(), table(name)))


def crowd(connect: Callable[[], psycopg.Connection], append: Append, *, clients: int, each: int) -> None:
    """Let many clients append to one chain at the same time."""
    all_there = threading.Barrier(clients)

    def client(connection: psycopg.Connection) -> None:
        all_there.wait()
        for _ in range(each):
            append(connection, "{}")
            connection.commit()

    with ThreadPoolExecutor(clients) as pool:
        list(pool.map(client, [connect() for _ in range(clients)]))


def test_32_clients_on_one_item_make_no_fork_and_no_gap(connections: Callable[[], psycopg.Connection]) -> None:
    crowd(connections, ledger(connections(), OURS), clients=32, each=20)

    kept = rows(connections())
    assert faults(kept) == set()
    assert len(kept) == 640


def test_the_same_crowd_forks_a_ledger_that_does_not_lock(connections: Callable[[], psycopg.Connection]) -> None:
    broken = ledger(connections(), "reads_its_predecessor_unlocked", wait="PERFORM pg_sleep(0.002);")
    crowd(connections, broken, clients=8, each=3)

    assert "fork" in faults(rows(connections(), "broken_record"))


BODIES = st.dictionaries(
    st.from_regex(r"[a-z0-9_]{1,8}", fullmatch=True),
    st.one_of(st.text(max_size=20), st.integers(-(2**53) + 1, 2**53 - 1), st.booleans(), st.none()),
    max_size=4,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=BODIES, chain=st.sampled_from([ITEM_CHAIN, "_keys", "_refused", ITEM_CHAIN.replace("item", "dock")]))
def test_the_database_writes_the_bytes_that_proof_record_writes(
    connections: Callable[[], psycopg.Connection], body: canonical.Value, chain: str
) -> None:
    text = canonical.encode(body)
    connection = connections()
    head = connection.execute("SELECT seq, h FROM custody_head WHERE chain = %s", [chain]).fetchone()
    row = connection.execute(
        "SELECT record_id, seq, h, at FROM custody_append(%s, %s, %s)", [[chain], [uuid4().hex], [text.decode()]]
    ).fetchone()
    assert row is not None
    record_id, seq, h, at = row
    raw = connection.execute("SELECT raw FROM custody_record WHERE id = %s", [record_id]).fetchone()
    connection.commit()
    connection.close()

    expected = record.CustodyRecord(
        origin=ORIGIN,
        chain=chain,
        seq=head[0] + 1 if head else 1,
        prev=head[1] if head else record.genesis(ORIGIN, chain),
        at=at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        body=text,
    )
    assert raw == (expected.write(),)
    assert (seq, h) == (expected.seq, record.leaf_hash(expected.write()))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(st.one_of(st.text(st.characters(codec="utf-8", exclude_characters="\0")), st.text('"\\{},NUL '))))
def test_the_database_reads_an_array_as_it_was(session: Session, texts: list[str]) -> None:
    found = session.connection().exec_driver_sql("SELECT %(texts)s::text[]", {"texts": array_of(texts)})

    assert found.scalar() == texts


def test_a_repeated_key_gives_the_first_record_back(connections: Callable[[], psycopg.Connection]) -> None:
    connection = connections()
    statement = "SELECT record_id, seq, h, at, repeated FROM custody_append(%s, %s, %s)"
    first = connection.execute(statement, [[ITEM_CHAIN], ["key"], ['{"n":1}']]).fetchone()
    connection.execute(statement, [[ITEM_CHAIN], ["other"], ['{"n":2}']])
    again = connection.execute(statement, [[ITEM_CHAIN], ["key"], ['{"n":3}']]).fetchone()

    assert first is not None
    assert first[-1] is False
    assert again == (*first[:-1], True)
    assert len(rows(connection)) == 2


def test_many_events_of_several_chains_move_each_head_to_its_last(
    connections: Callable[[], psycopg.Connection],
) -> None:
    connection, other = connections(), f"item/{new_id()}"
    low, high = sorted((ITEM_CHAIN, other))
    chains, keys = [low] * 3 + [high] * 4, ["a", "b", "a", "c", "d", "e", "c"]

    entered = connection.execute(
        "SELECT repeated FROM custody_append(%s, %s, %s)", [chains, keys, ["{}"] * len(keys)]
    ).fetchall()
    heads = connection.execute(
        "SELECT h.chain, h.seq, h.h = r.h FROM custody_head h JOIN custody_record r USING (chain, seq) ORDER BY h.chain"
    ).fetchall()

    assert [repeated for (repeated,) in entered] == [False, False, True, False, False, False, True]
    assert [row for row in heads if row[0] in (low, high)] == [(low, 2, True), (high, 3, True)]
    assert not faults(rows(connection))


def test_time_stands_still_rather_than_run_backwards(
    connections: Callable[[], psycopg.Connection], database: Database
) -> None:
    with psycopg.connect(driver_url(database.superuser_url)) as administrator:
        administrator.execute(
            "INSERT INTO custody_head VALUES ('_keys', 0, sha256(%s), '2099-01-01 00:00:00.000001+00')",
            [f"custody.v1 genesis\n{ORIGIN}\n_keys\n".encode()],
        )
    connection = connections()
    for key in ("a", "b"):
        connection.execute("SELECT custody_append(ARRAY['_keys'], ARRAY[%s], ARRAY['{}'])", [key])

    kept = rows(connection)
    assert [record.parse(raw).at for *_, raw in kept] == ["2099-01-01T00:00:00.000001Z"] * 2
    assert faults(kept) == set()


@pytest.mark.parametrize(
    ("chain", "body"),
    [
        (ITEM_CHAIN, '{"a":\n1}'),
        (ITEM_CHAIN, "[]"),
        (ITEM_CHAIN, '{"a":"' + "x" * 32_768 + '"}'),
        ("item/1", "{}"),
        ("_secret", "{}"),
        ("item/0190b0b0-0000-7000-8000-0000000000aa\n_keys", "{}"),
    ],
)
def test_what_would_break_the_framing_is_refused(
    connections: Callable[[], psycopg.Connection], chain: str, body: str
) -> None:
    with pytest.raises(psycopg.errors.CheckViolation):
        connections().execute("SELECT custody_append(%s, ARRAY['k'], %s)", [[chain], [body]])


def test_what_is_no_json_is_refused_because_it_could_never_be_taken_out(
    connections: Callable[[], psycopg.Connection],
) -> None:
    with pytest.raises(psycopg.errors.InvalidTextRepresentation):
        connections().execute("SELECT custody_append(%s, ARRAY['k'], %s)", [[ITEM_CHAIN], ["{not json}"]])


def test_chains_out_of_order_are_refused_because_two_could_wait_for_each_other(
    connections: Callable[[], psycopg.Connection],
) -> None:
    statement = "SELECT custody_append(%s, ARRAY['a', 'b'], ARRAY['{}', '{}'])"

    with pytest.raises(psycopg.errors.CheckViolation, match="not in order"):
        connections().execute(statement, [["_refused", "_keys"]])
    assert connections().execute(statement, [["_keys", "_refused"]]).rowcount == 2


def test_units_of_work_that_name_the_same_chains_in_opposite_order_all_succeed(
    sessions: Sessions, connections: Callable[[], psycopg.Connection]
) -> None:
    accounts = [uuid4() for _ in range(20)]

    def client(order: list[UUID]) -> None:
        for _ in range(10):
            with unit_of_work(sessions) as session:
                for account in order:
                    custody.record(session, signed_in(account))

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(client, [accounts, accounts[::-1]]))

    kept = rows(connections())
    assert len(kept) == 400
    assert faults(kept) == set()
