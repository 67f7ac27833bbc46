"""Timestamp of reproducible content (reproducible-builds.org, SOURCE_DATE_EPOCH)."""

from __future__ import annotations

import os
import re

from lading._core.tar.member_names import shown
from lading._patterns import lazy_pattern
from lading.errors import StorageError

_EPOCH = lazy_pattern(r"[0-9]{1,11}", re.ASCII)


def source_date_epoch() -> int | None:
    """Return the value of SOURCE_DATE_EPOCH in seconds since 1970, None if it is empty or not set.

    Raises `StorageError` if it is not a number.
    """
    value = os.environ.get("SOURCE_DATE_EPOCH")
    if not value:
        return None
    if not _EPOCH.fullmatch(value):
        raise StorageError(f"SOURCE_DATE_EPOCH is {shown(value)}: set it to seconds since 1970, or unset it")
    return int(value)
