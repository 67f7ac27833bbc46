"""What real registries are like, by name."""

from __future__ import annotations

from collections.abc import Callable

from tests.quirks.servers import SERVERS
from tests.quirks.services import SERVICES
from tests.quirks.worlds import Profile

PROFILES: dict[str, Callable[[], Profile]] = {profile.__name__: profile for profile in (*SERVICES, *SERVERS)}
