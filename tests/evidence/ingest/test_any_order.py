"""Whatever order pieces, crashes and restarts come in, the right bytes arrive and offsets never go back."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from threading import Barrier
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import update

from auth.principals import Principal
from evidence.database import unit_of_work
from evidence.errors import ConflictError, GoneError
from evidence.ids import UploadId, new_id
from evidence.ingest.intake import Intake
from evidence.ingest.models import Upload
from evidence.ingest.writing import Writer
from evidence.items.models import EvidenceItem
from evidence.room import Room
from evidence.storage.read_back import CHUNK_SIZE, ChunkDigests
from tests.support.arrivals import begun, ended, lapse
from tests.support.uploading import footage_like

BODY = footage_like(CHUNK_SIZE + (1 << 20) + 1234, seed=13)

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("piece"), st.integers(1, 5 << 20)),
        st.tuples(st.just("checkpoint"), st.none()),
        st.tuples(st.just("goes on"), st.booleans()),  # on the other server?
        st.tuples(st.just("crash"), st.booleans()),
        st.tuples(st.just("damaged piece"), st.integers(1, 3 << 20)),
    ),
    max_size=12,
)


class Story:
    """One upload told step by step, on two servers, against the plainest of models: how far it is durable."""

    def __init__(self, servers: list[Intake], officer: Principal, body: bytes) -> None:
        self.servers = servers
        self.officer = officer
        self.body = body
        self.upload_id = begun(servers[0], officer, body)
        self.at = 0
        self.server = servers[0]
        self.writer = self.server.take(self.upload_id, offset=0)

    def piece(self, size: int) -> None:
        self.writer.feed(self.body[self.writer.offset : self.writer.offset + size])

    def checkpoint(self, _: None) -> None:
        durable = self.writer.checkpoint()
        assert durable == self.writer.offset >= self.at
        self.at = durable

    def goes_on(self, elsewhere: bool) -> None:
        """The request ends in good order, and the next comes."""
        self.checkpoint(None)
        self.server.let_go(self.writer)
        self.begin_again(elsewhere)

    def crash(self, elsewhere: bool) -> None:
        """The server is gone with all it had in memory; its fence falls."""
        self.servers[self.servers.index(self.server)] = Intake(self.server.room)
        lapse(self.server.room)
        self.server = self.servers[0]
        self.begin_again(elsewhere)

    def damaged_piece(self, size: int) -> None:
        """A piece whose checksum will not fit is written, and then nothing of it is kept."""
        self.goes_on(False)
        if self.writer.whole:
            return
        self.writer.piecemeal = False
        self.writer.feed(bytes(min(size, len(self.body) - self.writer.offset)))
        self.server.let_go(self.writer)
        self.begin_again(False)

    def begin_again(self, elsewhere: bool) -> None:
        durable = self.server.load(self.upload_id).durable_offset
        assert durable >= self.at
        self.at = durable
        if durable < len(self.body):
            self.server = self.servers[elsewhere]
            self.writer = self.server.take(self.upload_id, offset=durable)

    def end(self) -> None:
        self.piece(len(self.body))
        self.checkpoint(None)
        self.server.let_go(self.writer)

    @property
    def whole(self) -> bool:
        return self.server.load(self.upload_id).state != "open"


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS, seed=st.integers(0, 1 << 30))
def test_the_right_bytes_arrive(shared_room: Room, officer: Principal, steps: list[tuple[str, Any]], seed: int) -> None:
    body = str(new_id()).encode() + BODY
    story = Story([Intake(shared_room), Intake(shared_room)], officer, body)

    for name, argument in steps:
        getattr(story, name.replace(" ", "_"))(argument)
        if story.whole:
            break
    if not story.whole:
        story.end()
    lapse(shared_room)
    upload = ended(Intake(shared_room), story.upload_id)

    assert upload.state == "received", upload.explanation
    with unit_of_work(shared_room.sessions) as session:
        item = session.get_one(EvidenceItem, upload.item_id)
        assert b"".join(shared_room.vault.read(session, item.original_object_id)) == body


@given(
    cuts=st.lists(st.integers(1, 40), max_size=10),
    size=st.integers(0, 64),
    resumed=st.integers(0, 64),
)
def test_chunks_are_the_same_however_the_stream_is_cut(cuts: list[int], size: int, resumed: int) -> None:
    body = bytes(range(64))[:size]
    resumed = min(resumed, size)

    def digests_of(start: ChunkDigests, rest: bytes) -> bytes:
        for cut in [*cuts, len(rest)]:
            start.take(rest[:cut])
            rest = rest[cut:]
        return start.whole()

    with pytest.MonkeyPatch.context() as small:
        small.setattr("evidence.storage.read_back.CHUNK_SIZE", 8)
        expected = b"".join(sha256(body[at : at + 8]).digest() for at in range(0, size, 8))
        so_far = expected[: resumed // 8 * 32] if resumed < size else expected
        again = ChunkDigests(so_far, size=size, offset=resumed)

        assert digests_of(ChunkDigests(b"", size=size, offset=0), body) == expected
        if resumed < size:
            assert digests_of(again, body[again.offset :]) == expected


ROUNDS = 20

Told = int | str
"""What a writer was told: the durable offset, or which error."""


def race(server: Intake, officer: Principal, upload_id: UploadId, body: bytes, ready: Barrier) -> Told:
    """Write these bytes at the beginning of the upload at the same time as others do."""
    ready.wait()
    try:
        writer = server.take(upload_id, offset=0)
    except ConflictError as error:
        return type(error).__name__
    try:
        writer.feed(body)
        return writer.checkpoint()
    except ConflictError as error:
        return type(error).__name__
    finally:
        server.let_go(writer)


def raced(servers: list[Intake], officer: Principal, number: int) -> tuple[list[Told], int]:
    """Have two servers race for one upload; return what each was told, and the durable offset."""
    bodies = [footage_like(1500 + number, seed=number), footage_like(1300, seed=number + 1000)]
    upload_id = begun(servers[0], officer, bytes(5000), declared=None)
    ready = Barrier(2)
    with ThreadPoolExecutor(2) as pool:
        racing = [
            pool.submit(race, server, officer, upload_id, body, ready)
            for server, body in zip(servers, bodies, strict=True)
        ]
        found = [each.result(120) for each in racing]
    return found, servers[0].load(upload_id).durable_offset


def test_of_two_writers_at_the_same_offset_one_wins(intakes: Callable[[], Intake], officer: Principal) -> None:
    servers = [intakes(), intakes()]

    for number in range(ROUNDS):
        found, durable = raced(servers, officer, number)

        assert [each for each in found if isinstance(each, int)] == [durable], found
        assert {each for each in found if isinstance(each, str)} <= {"BusyError", "OffsetConflictError"}


def test_a_server_that_forgets_its_fence_is_caught(
    intakes: Callable[[], Intake], officer: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The negative control: without fences, and counting without asking, both are told that they won."""

    def careless(writer: Writer) -> int:
        offset = writer._arriving.checkpoint()
        with unit_of_work(writer._sessions) as session:
            session.execute(update(Upload).where(Upload.id == writer.upload_id).values(durable_offset=offset))
        return offset

    def anybody(_sessions: object, upload_id: UploadId, **_: Any) -> bool:
        return True

    monkeypatch.setattr("evidence.ingest.fences._take", anybody)
    monkeypatch.setattr("evidence.ingest.uploads.keep_token", lambda *_, **__: None)
    monkeypatch.setattr(Writer, "checkpoint", careless)
    servers = [intakes(), intakes()]

    doubled = any(
        len([each for each in raced(servers, officer, number)[0] if isinstance(each, int)]) == 2
        for number in range(ROUNDS)
    )

    assert doubled


def test_finishing_and_terminating_at_once_have_one_outcome(intakes: Callable[[], Intake], officer: Principal) -> None:
    one, other = intakes(), intakes()

    def finish(upload_id: UploadId, body: bytes) -> str:
        try:
            writer = one.take(upload_id, offset=0)
        except GoneError:
            return "too late"
        try:
            writer.feed(body)
            writer.checkpoint()
        finally:
            one.let_go(writer)
        return str(ended(one, upload_id).state)

    def terminate(upload_id: UploadId) -> str:
        try:
            other.terminate(upload_id, by=officer, request_id=str(new_id()))
        except ConflictError as error:
            return type(error).__name__
        return "terminated"

    for number in range(ROUNDS):
        body = footage_like(2000, seed=5000 + number) + str(new_id()).encode()
        upload_id = begun(one, officer, body)
        with ThreadPoolExecutor(2) as pool:
            finishing, terminating = pool.submit(finish, upload_id, body), pool.submit(terminate, upload_id)
            found = (finishing.result(120), terminating.result(120))

        upload = one.load(upload_id)
        assert found in {
            ("received", "BusyError"),
            ("received", "ConflictError"),
            ("too late", "terminated"),
        }
        assert upload.state == {"received": "received", "too late": "terminated"}[found[0]]
        assert (upload.item_id is None) == (upload.state == "terminated")
