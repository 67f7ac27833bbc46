"""Contents of files that are kept in a temporary file."""

from __future__ import annotations

import os

import pytest

from lading._core.rootfs.contents import FileContents
from lading._io.body_reading import PIECE_SIZE
from lading.errors import StorageError


def test_content_is_read_at_any_offset() -> None:
    contents = FileContents(None)
    contents.append(b"first")
    contents.append(b"second" * PIECE_SIZE)
    contents.finish()
    assert b"".join(contents.pieces(3, 5)) == b"stsec"
    assert b"".join(contents.pieces(5, 6 * PIECE_SIZE)) == b"second" * PIECE_SIZE
    contents.close()


def test_a_temporary_file_that_became_shorter_ends_the_reading() -> None:
    contents = FileContents(None)
    contents.append(b"0123456789")
    contents.finish()
    os.ftruncate(contents._file.fileno(), 5)
    with pytest.raises(StorageError, match="became shorter"):
        list(contents.pieces(0, 10))
    contents.close()
