"""Target that keeps content in an SQLite database, which many threads and processes may use at once.

    from lading import Client, TargetReference
    from sqlite_target import SQLiteTarget

    shelf = SQLiteTarget("shelf.db")
    with Client() as client:
        client.copy("localhost:5000/acme/app:1", TargetReference(shelf, "1"), referrers=True)
        client.copy(TargetReference(shelf, "1"), "oci:layout:1")
    shelf.untag("1")

Content is kept in rows of 1 MiB, so that blobs of any size take no more memory than that. A push is one transaction:
when its process is killed, nothing of it is there.
"""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Generator
from contextlib import closing, contextmanager
from functools import partial
from typing import IO, Any

from lading import Descriptor, Digest, NotFoundError, Reader, open_document

PIECE = 1 << 20  # bytes in a row
WAIT = 60.0  # seconds for others to end their transactions
LARGEST_MANIFEST = 4 << 20
WITH_SUBJECTS = {"application/vnd.oci.image.manifest.v1+json", "application/vnd.oci.image.index.v1+json"}

TABLES = """
CREATE TABLE IF NOT EXISTS contents (digest TEXT PRIMARY KEY, media_type TEXT, size INTEGER, subject TEXT);
CREATE INDEX IF NOT EXISTS subjects ON contents (subject);
CREATE TABLE IF NOT EXISTS pieces (
    digest TEXT REFERENCES contents ON DELETE CASCADE, number INTEGER, data BLOB, PRIMARY KEY (digest, number)
);
CREATE TABLE IF NOT EXISTS tags (tag TEXT PRIMARY KEY, digest TEXT NOT NULL REFERENCES contents ON DELETE CASCADE);
CREATE INDEX IF NOT EXISTS tagged ON tags (digest);
"""


class SQLiteTarget:
    """Manifests, blobs and tags in a database file, which is made if there is none."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.name = f"sqlite:{os.fspath(path)}"
        self._path = path
        with self._transaction() as database:
            database.executescript(TABLES)

    def resolve(self, tag_or_digest: str) -> Descriptor:
        query = """SELECT media_type, digest, size FROM contents
                   WHERE digest = coalesce((SELECT digest FROM tags WHERE tag = :name), :name)"""
        for row in self.select(query, name=tag_or_digest):
            return Descriptor(*row)
        raise NotFoundError(f"{self.name} has no {tag_or_digest}")

    def fetch(self, content: Descriptor) -> Reader:
        return self.fetch_from(content, 0)

    def fetch_from(self, content: Descriptor, offset: int) -> Reader:
        if not self.exists(content):
            raise NotFoundError(f"{self.name} has no {content.digest}")
        return PieceReader(self, content.digest, offset)

    def exists(self, content: Descriptor) -> bool:
        return bool(self.select("SELECT 1 FROM contents WHERE digest = :digest", digest=content.digest))

    def push(self, content: Descriptor, stream: Reader) -> None:
        # A database takes one writer at a time: none has to wait until the content of another one has come.
        with tempfile.TemporaryFile() as spool:
            buffer = memoryview(bytearray(PIECE))
            while count := stream.readinto(buffer):
                spool.write(buffer[:count])
            row = (content.digest, content.media_type, content.size, subject_of(content, spool))
            spool.seek(0)
            pieces = enumerate(iter(partial(spool.read, PIECE), b""))
            with self._transaction() as database:
                database.execute("INSERT OR IGNORE INTO contents VALUES (?, ?, ?, ?)", row)
                rows = ((content.digest, number, data) for number, data in pieces)
                database.executemany("INSERT OR IGNORE INTO pieces VALUES (?, ?, ?)", rows)

    def tag(self, manifest: Descriptor, tag: str) -> None:
        with self._transaction() as database:
            database.execute("INSERT OR REPLACE INTO tags VALUES (?, ?)", (tag, manifest.digest))

    def tags(self) -> list[str]:
        return [tag for (tag,) in self.select("SELECT tag FROM tags ORDER BY tag")]

    def referrers(self, subject: Digest) -> list[Descriptor]:
        rows = self.select("SELECT media_type, digest, size FROM contents WHERE subject = :subject", subject=subject)
        return [Descriptor(*row) for row in rows]

    def untag(self, tag: str) -> None:
        self._delete("DELETE FROM tags WHERE tag = ?", tag)

    def delete(self, content: Descriptor) -> None:
        self._delete("DELETE FROM contents WHERE digest = ?", content.digest)

    def select(self, query: str, **values: object) -> list[Any]:
        """Return all rows of a query."""
        with self._transaction() as database:
            return database.execute(query, values).fetchall()

    def _delete(self, statement: str, name: str) -> None:
        with self._transaction() as database:
            if not database.execute(statement, (name,)).rowcount:
                raise NotFoundError(f"{self.name} has no {name}")

    @contextmanager
    def _transaction(self) -> Generator[sqlite3.Connection]:
        """Open the database for one transaction, in whichever thread this is."""
        connection = sqlite3.connect(self._path, timeout=WAIT, isolation_level="IMMEDIATE")
        with closing(connection), connection:
            connection.execute("PRAGMA foreign_keys = ON")
            yield connection


class PieceReader:
    """Reads content from a byte on, a piece at a time."""

    def __init__(self, target: SQLiteTarget, digest: Digest, offset: int) -> None:
        self._target = target
        self._digest = digest
        self._offset = offset

    def readinto(self, buffer: memoryview, /) -> int:
        number, start = divmod(self._offset, PIECE)
        rows = self._target.select(
            "SELECT substr(data, :start, :size) FROM pieces WHERE digest = :digest AND number = :number",
            digest=self._digest,
            number=number,
            start=start + 1,
            size=len(buffer),
        )
        data = rows[0][0] if rows else b""
        buffer[: len(data)] = data
        self._offset += len(data)
        return len(data)

    def close(self) -> None:
        """Nothing: the database is open for the time of a query."""


def subject_of(content: Descriptor, spool: IO[bytes]) -> Digest | None:
    """Return what a manifest refers to; None for any other content."""
    if content.media_type not in WITH_SUBJECTS or content.size > LARGEST_MANIFEST:
        return None
    spool.seek(0)
    subject: Descriptor | None = open_document(spool.read(), content.media_type).subject
    return None if subject is None else subject.digest
