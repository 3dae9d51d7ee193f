"""The story of one file: hash it, send it, hold the server to its receipt, remember it.

Every step is durable in `state` before the next one, so that after a kill at any point the next
run goes on where this one was.  A file counts as received only with a receipt that was checked;
that the server said so is not enough.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from mimetypes import MimeTypes
from typing import Protocol

from evidence.clock import Clock
from evidence.docking import client, receipts
from evidence.docking.client import Pace, UploadStatus
from evidence.docking.connection import Connection
from evidence.docking.folder import FoundFile, sent_name
from evidence.docking.patience import Patience
from evidence.docking.state import SentFile, UploadState
from evidence.errors import ConflictError, EvidenceError, GoneError, IntegrityError, NotFoundError
from evidence.proof.trust import Trust

AGAIN = "received again"
"""The note on a file whose bytes the evidence room held already."""

KINDS = MimeTypes()
"""Kinds of file by the ending of a name: those Python knows, so that every machine says the same."""

READ_BACK_RATE = 50_000_000
"""Bytes a second. A server on a distant store reads everything back before it answers: so much longer we wait."""


class Watcher(Protocol):
    """Shows progress: gives a function to be told how many more bytes are done."""

    def __call__(self, name: str, *, total: int, done: int = 0) -> AbstractContextManager[Callable[[int], None]]:
        """Show the progress of one thing of `total` bytes while the block runs."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """Everything that sending needs, and that is the same for all files of a run."""

    connection: Connection
    state: UploadState
    trusted: Trust
    watch: Watcher
    kept: Callable[[str, int, int], None]
    """Is told name, bytes that the server keeps for good, and size."""

    waiting: Callable[[EvidenceError, float], None]
    """Is told, before another try, what went wrong and for how many seconds is waited."""

    clock: Clock
    patience: timedelta
    pace: Pace = field(default_factory=Pace)
    sign: Callable[[int, Mapping[str, str]], str] | None = None
    """Signs a manifest of a file of this size and of what is announced of it; only docks do."""

    def known(self, file: FoundFile) -> SentFile | None:
        """Return what is known of the file, or None when nothing is.

        Where only path, size and time are those of a file that was dealt with, its bytes are read
        and the digest decides: another recording under the same name is never taken for it.
        Keeps nothing.  Raises ConflictError when the file changes meanwhile, OSError when it cannot be read.
        """
        row = self.state.of(file)
        like = self.state.like(file)
        if row is not None or not like:
            return row
        hashed = self._hashed(file)
        same = next((each for each in like if each.sha256 == hashed.sha256), None)
        return hashed if same is None else replace(same, mark=file.mark)

    def remember(self, row: SentFile) -> None:
        """Keep what `known` returned, so that the next run need not read the file again."""
        self._keep(row)

    def send(
        self, file: FoundFile, said: Mapping[str, str], *, declare: bool = True, known: SentFile | None = None
    ) -> SentFile:
        """Bring one file to its end: `received` with a checked receipt, or `quarantined` with the reason.

        `said` is what is announced besides name and digest.  Without `declare` no digest is
        announced, which only people may do.  `known` is what `known` returned just now, if it was
        asked.  Raises an EvidenceError when neither end was reached.
        """
        row = known or self.known(file) or self._hashed(file)
        if row != self.state.of(file):
            row = self._keep(row)
        if row.stage in ("received", "quarantined"):
            return row
        if row.upload_id is None:
            row = self._opened(row, file, said, declare=declare)
        try:
            answer = self._transferred(row, file)
        except (GoneError, NotFoundError):
            # The upload expired or was terminated while we were away: begin anew.
            row = self._opened(row, file, said, declare=declare)
            answer = self._transferred(row, file)
        return self._keep(self._ended(row, answer))

    def forget_quarantine(self, row: SentFile) -> SentFile:
        """Make a file that ended in quarantine one that is to be sent again."""
        return self._keep(replace(row, stage="hashed", upload_id=None, note=None))

    def _hashed(self, file: FoundFile) -> SentFile:
        with file.open() as stream, self.watch(f"hash {file.name}", total=file.size) as advance:
            digest = client.digest_of(stream, _position(advance))
        if not file.unchanged():
            raise ConflictError(
                "the file changed while it was read", next_step="run the same command when it stands still"
            )
        return SentFile(
            path=file.path, size=file.size, mtime_ns=file.mtime_ns, sha256=digest, stage="hashed", mark=file.mark
        )

    def _opened(self, row: SentFile, file: FoundFile, said: Mapping[str, str], *, declare: bool) -> SentFile:
        digest = {"sha256": row.sha256} if declare else {}
        kind, packed = KINDS.guess_type(file.path.name)
        guessed = {"content_type": kind} if kind and not packed else {}
        metadata = {**guessed, **said, **digest, "filename": sent_name(file)}
        metadata = {name: value for name, value in metadata.items() if value}
        upload = client.open_upload(
            self.connection,
            size=file.size,
            metadata=metadata,
            patience=self._patience(file.size),
            manifest=self.sign(file.size, metadata) if self.sign else None,
        )
        return self._keep(replace(row, upload_id=upload, stage="sending"))

    def _transferred(self, row: SentFile, file: FoundFile) -> UploadStatus:
        assert row.upload_id is not None
        with file.open() as stream, self.watch(f"send {file.name}", total=file.size) as advance:
            return client.send(
                self.connection,
                row.upload_id,
                stream,
                size=file.size,
                show=_position(advance),
                kept=lambda offset: self.kept(file.name, offset, file.size),
                patience=self._patience(file.size),
                pace=self.pace,
            )

    def _ended(self, row: SentFile, answer: UploadStatus) -> SentFile:
        if answer.state == "quarantined":
            return replace(row, stage="quarantined", note=answer.explanation or "the server did not say why")
        if answer.item is None or answer.receipt is None or answer.record is None:
            raise IntegrityError("the server received the file and gave no receipt", next_step=receipts.NEXT_STEP)
        receipts.check(
            answer.receipt,
            trusted=self.trusted,
            item=answer.item,
            sealed=answer.record,
            sha256=row.sha256,
            size=row.size,
        )
        again = AGAIN if receipts.act_of(answer.record) == "item.received_again" else None
        return replace(
            row, stage="received", item=answer.item, number=answer.number, receipt=answer.receipt, note=again
        )

    def _patience(self, size: int) -> Patience:
        return Patience(self.patience + timedelta(seconds=size / READ_BACK_RATE), tell=self.waiting)

    def _keep(self, row: SentFile) -> SentFile:
        return self.state.put(row, at=self.clock().isoformat())


def _position(advance: Callable[[int], None]) -> Callable[[int], None]:
    """Turn 'so many more bytes' into 'at this byte now', which may also go back."""
    shown = 0

    def show(position: int) -> None:
        nonlocal shown
        advance(position - shown)
        shown = position

    return show
