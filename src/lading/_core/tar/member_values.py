"""Values of archive members, checked to be in the range that file systems have.

An archive can state any number and any bytes. One that does not fit would be cut by a system call, or end in an error
after something was written: user 2³² is root to `chown(2)`, and 2³²-1 tells it to change nothing
(containerd/containerd#13796); a device number beyond its bits names another device.

Functions raise `ValueError` whose message completes the sentence "the member is refused: ...".
"""

from __future__ import annotations

from lading._core.tar.member_names import shown

LARGEST_ID = 2**32 - 2
"""Largest user or group ID. The next one means "unchanged" to `chown(2)`."""
LARGEST_MAJOR, LARGEST_MINOR = 2**12 - 1, 2**20 - 1
"""Largest numbers of a device that Linux can create."""
LARGEST_SIZE = 2**63 - 1
"""Largest size of a file in bytes: that of `off_t`."""
LONGEST_TARGET = 4095
"""Most bytes of a link target: PATH_MAX of Linux, less the NUL at the end."""
LONGEST_XATTR = 255
"""Most bytes of the name of an extended attribute: XATTR_NAME_MAX of Linux."""


def owner_id(number: int, what: str) -> int:
    """Return a user or group ID. Negative ones, such as -2, are 32-bit numbers that were taken for signed.

    -2 is the user `nobody` of macOS and of NFS; to `chown(2)` it is the same number as 2³²-2.
    """
    if -(2**31) <= number <= -2:
        return number + 2**32
    if not 0 <= number <= LARGEST_ID:
        raise ValueError(f"its {what} {number} is not between 0 and {LARGEST_ID}")
    return number


def device_numbers(major: int, minor: int) -> tuple[int, int]:
    """Return the numbers of a device."""
    if major > LARGEST_MAJOR or minor > LARGEST_MINOR:
        raise ValueError(f"its device {major}:{minor} is larger than {LARGEST_MAJOR}:{LARGEST_MINOR}")
    return major, minor


def content_size(size: int) -> int:
    """Return the size of a file in bytes."""
    if not 0 <= size <= LARGEST_SIZE:
        raise ValueError(f"its size {size} is not between 0 and {LARGEST_SIZE}")
    return size


def member_name(name: bytes) -> bytes:
    """Return the name of a member. Its length is checked where its parts are known."""
    if b"\0" in name:
        raise ValueError("its name contains a NUL")
    return name


def link_target(target: bytes) -> bytes:
    """Return the target of a symbolic or hard link."""
    if not target:
        raise ValueError("its link target is empty")
    if b"\0" in target:
        raise ValueError("its link target contains a NUL")
    if len(target) > LONGEST_TARGET:
        raise ValueError(f"its link target is longer than {LONGEST_TARGET} bytes")
    return target


def xattr(name: bytes, value: bytes) -> tuple[bytes, bytes]:
    """Return an extended attribute. The name has no NUL: `headers.records` refuses keys with one."""
    if not name or len(name) > LONGEST_XATTR:
        raise ValueError(
            f"the name {shown(name)} of an extended attribute is empty, or longer than {LONGEST_XATTR} bytes"
        )
    return name, value
