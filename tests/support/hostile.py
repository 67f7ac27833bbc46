"""Input that a parser has to get through in linear time.

No test looks at a clock. Linear time over this much input is a fraction of a second; a regular expression that goes
back for every character takes minutes, and a test of two minutes ends the run with the stack of every thread
(`faulthandler_timeout`). How long each parser takes is measured elsewhere: `python -m benchmarks.hostile_inputs`.
"""

from __future__ import annotations

from typing import AnyStr

LONG = 1_000_000


def much(unit: AnyStr) -> AnyStr:
    """Repeat a text, or bytes, up to a million characters."""
    return unit * (LONG // len(unit))
