"""Reading a chain gives every record once, oldest first, with what was disclosed beside it."""

from collections.abc import Iterable

from sqlalchemy import event as listening

from evidence import custody
from evidence.custody import history
from evidence.custody.events import CustodyEvent
from evidence.database import Sessions, unit_of_work
from evidence.proof import record
from tests.support.custody import an_actor, refused, signed_in

CHAIN = an_actor().chain or ""


def enter(sessions: Sessions, events: Iterable[CustodyEvent]) -> None:
    with unit_of_work(sessions) as session:
        for event in events:
            custody.record(session, event)


def test_pages_follow_one_another_without_a_gap(sessions: Sessions) -> None:
    enter(sessions, [signed_in() for _ in range(5)])

    with sessions() as session:
        pages = [history.page(session, CHAIN, after=after, limit=2) for after in (0, 2, 4, 5)]

    assert [[entry.seq for entry in page] for page in pages] == [[1, 2], [3, 4], [5], []]


def test_the_whole_chain_is_read_in_a_few_statements(sessions: Sessions) -> None:
    enter(sessions, [refused() for _ in range(history.PAGE + 1)])
    statements: list[str] = []
    listening.listen(sessions.kw["bind"], "before_cursor_execute", lambda *given: statements.append(given[2]))

    with sessions() as session:
        entries = list(history.whole(session, CHAIN))

    assert [entry.seq for entry in entries] == list(range(1, history.PAGE + 2))
    assert all(record.leaf_hash(entry.raw) == entry.hash for entry in entries)
    assert {tuple(salted.name for salted in entry.disclosures) for entry in entries} == {("actor", "reason")}
    assert len(statements) <= 2 * 3


def test_the_head_is_where_the_chain_ends(sessions: Sessions) -> None:
    enter(sessions, [signed_in(), signed_in()])

    with sessions() as session:
        head = history.head(session, CHAIN)
        last = history.page(session, CHAIN, after=1)[0]

        assert head is not None
        assert (head.chain, head.seq, head.hash) == (CHAIN, 2, last.hash)
        assert history.head(session, "_keys") is None
        assert history.page(session, "_keys") == []
