"""Regular expressions that are compiled when they are first used.

To compile those of every imported module takes a tenth of the time of a short command, which uses few of them.
"""

from __future__ import annotations

import re
from typing import Any, AnyStr, cast


def lazy_pattern(source: AnyStr, flags: int = 0) -> re.Pattern[AnyStr]:
    """Return a regular expression with the methods and attributes of a compiled one."""
    return cast("re.Pattern[AnyStr]", _Pattern(source, flags))


class _Pattern:
    def __init__(self, source: Any, flags: int) -> None:
        self._source, self._flags = source, flags

    def __getattr__(self, name: str) -> Any:
        value = getattr(re.compile(self._source, self._flags), name)  # the second time, `re` has it in its cache
        setattr(self, name, value)  # and from now on, Python does not come here
        return value
