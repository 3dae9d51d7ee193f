"""What this dock has sent: one SQLite file in the dock's own folder, never in the folder of recordings.

A row is keyed by path, size, modification time and SHA-256, so a file that changed is another
file.  The first three can be the same by chance or by hand (a camera whose clock was reset, sizes
set aside in advance), so they alone never say that a file is known: its mark does, which the
system keeps, and else its digest, read anew.

A row moves from `hashed` over `sending` to `received` or `quarantined` and every step is durable
before the next is taken: after a kill at any point the next run goes on from here.
"""

import os
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from evidence.docking.folder import FoundFile

Stage = Literal["hashed", "sending", "received", "quarantined"]

SCHEMA = """
CREATE TABLE IF NOT EXISTS sent_file (
    path BLOB NOT NULL,
    size INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    stage TEXT NOT NULL,
    upload_id TEXT,
    item TEXT,
    number TEXT,
    receipt TEXT,
    note TEXT,
    changed_at TEXT NOT NULL,
    mark TEXT,
    PRIMARY KEY (path, size, mtime_ns, sha256)
)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class SentFile:
    """One file as this dock knows it. `sha256` in hex, `size` in bytes, `receipt` the signed text.

    `mark` is FoundFile.mark of the file when its digest was read.
    """

    path: Path
    size: int
    mtime_ns: int
    sha256: str
    stage: Stage
    upload_id: str | None = None
    item: str | None = None
    number: str | None = None
    receipt: str | None = None
    note: str | None = None
    changed_at: str = ""
    mark: str | None = None


COLUMNS = ", ".join(each.name for each in fields(SentFile))


class UploadState:
    """The open state of one dock."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._database = sqlite3.connect(path, timeout=30, isolation_level=None)
        path.chmod(0o600)
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = FULL")
        self._database.execute(SCHEMA)
        self._add_mark()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._database.close()

    def of(self, file: FoundFile) -> SentFile | None:
        """Return what is known of this very file, told by its mark, or None; the furthest stage if several."""
        rows = [row for row in self.like(file) if file.mark is not None and row.mark == file.mark]
        order: tuple[Stage, ...] = ("received", "quarantined", "sending", "hashed")
        return min(rows, key=lambda row: order.index(row.stage), default=None)

    def like(self, file: FoundFile) -> list[SentFile]:
        """Return the files of the same path, size and time. Whether one is this file, its digest must say."""
        return list(
            self._select(
                "WHERE path = ? AND size = ? AND mtime_ns = ?", os.fsencode(file.path), file.size, file.mtime_ns
            )
        )

    def all(self) -> list[SentFile]:
        """Return everything this dock has dealt with, latest first."""
        return list(self._select("ORDER BY changed_at DESC, path"))

    def put(self, row: SentFile, *, at: str) -> SentFile:
        """Keep the row in place of what was known of the same file; durable on return."""
        row = replace(row, changed_at=at)
        values = [os.fsencode(row.path), *(getattr(row, each.name) for each in fields(SentFile)[1:])]
        places = ", ".join("?" * len(values))
        self._database.execute(f"INSERT OR REPLACE INTO sent_file ({COLUMNS}) VALUES ({places})", values)  # noqa: S608
        return row

    def _add_mark(self) -> None:
        """Give a state of before there were marks the column for them; its files are read anew once."""
        self._database.execute("BEGIN IMMEDIATE")
        columns = {column[1] for column in self._database.execute("PRAGMA table_info(sent_file)")}
        if "mark" not in columns:
            self._database.execute("ALTER TABLE sent_file ADD COLUMN mark TEXT")
        self._database.execute("COMMIT")

    def _select(self, where: str, *values: object) -> Iterator[SentFile]:
        for path, *rest in self._database.execute(f"SELECT {COLUMNS} FROM sent_file {where}", values):  # noqa: S608
            named = dict(zip([each.name for each in fields(SentFile)[1:]], rest, strict=True))
            yield SentFile(path=Path(os.fsdecode(path)), **named)
