"""How what Zstandard compressed is expanded (RFC 8878): by Python itself from 3.14 on, before that by a backport.

Frames may follow one another, and frames that are to be skipped may stand between and behind them, as zstd:chunked
has its table of contents.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any, BinaryIO, cast

from lading.errors import LadingError

_MODULES = ("compression.zstd", "backports.zstd")
_FRAME = b"\x28\xb5\x2f\xfd"  # RFC 8878, 3.1.1
_SKIPPED = b"\x2a\x4d\x18"  # 3.1.2: after a byte from 0x50 to 0x5F
# The memory that a frame may have its reader keep, as a power of two: what the zstd command grants, 128 MiB.
_WINDOW = 27


def begins(content: bytes) -> bool:
    """Say whether four bytes begin a frame."""
    return content == _FRAME or (content[1:] == _SKIPPED and content[0] >> 4 == 5)


class ZstdReader:
    """The expanded bytes of a stream. `errors` are what reading raises when it is damaged."""

    __slots__ = ("_file", "errors")

    def __init__(self, stream: BinaryIO) -> None:
        module = _module()
        options = {module.DecompressionParameter.window_log_max: _WINDOW}
        self._file: BinaryIO = module.ZstdFile(stream, options=options)
        self.errors = (EOFError, cast("type[Exception]", module.ZstdError))

    def read(self, size: int, /) -> bytes:
        """Return up to `size` bytes; none at the end."""
        return self._file.read(size)


def _module() -> Any:
    for name in _MODULES:
        try:
            return import_module(name)
        except ImportError:
            continue
    raise LadingError(
        "the content is compressed with Zstandard, which Python reads from 3.14 on: pip install 'lading[zstd]'"
    )
