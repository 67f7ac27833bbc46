"""Access modes of files."""

from __future__ import annotations

import enum


class Access(enum.Enum):
    """Access to a file, and whether it is created."""

    READ = enum.auto()
    """Read an existing file."""
    UPDATE = enum.auto()
    """Read and write an existing file."""
    CREATE = enum.auto()
    """Read and write a new file, whose name nothing else may have."""
    UPDATE_OR_CREATE = enum.auto()
    """Read and write a file, which is created if it does not exist."""
    APPEND = enum.auto()
    """Read an existing file, and write at its end."""
    APPEND_OR_CREATE = enum.auto()
    """Read a file and write at its end; it is created if it does not exist."""
