"""Passwords on stdin: never among the arguments, which every user of the machine can see."""

from __future__ import annotations

import sys

from lading.cli.output import UsageError

# Larger than any password, and than a key file of Google's.
_LONGEST = 64 << 10


def from_stdin() -> str:
    """Read a password from stdin, without the line end that `echo` puts behind it. Raises `UsageError`."""
    content = sys.stdin.buffer.read(_LONGEST + 1) if sys.stdin is not None else b""
    if len(content) > _LONGEST:
        raise UsageError(f"stdin has more than {_LONGEST} bytes: is this a password?")
    try:
        password = content.decode()
    except UnicodeDecodeError:
        password = ""
    password = password.removesuffix("\n").removesuffix("\r")
    if not password:
        raise UsageError("cannot read the password: stdin is empty, or not UTF-8")
    return password
