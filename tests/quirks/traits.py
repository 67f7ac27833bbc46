"""What several registries have in common: patterns of requests, a signed address, users."""

from __future__ import annotations

from typing import Any

from lading.testing import (
    EVERYTHING,
    Access,
    Redirect,
    Rights,
    ServerLimits,
    Setup,
    User,
)
from tests.quirks.worlds import PASSWORD, STORE

MIB = 1 << 20
GUID = "00000000-0000-0000-0000-000000000000"
BLOBS = "GET /v2/*/blobs/sha256:*"
CHUNKS = "PATCH /v2/*/blobs/uploads/*"
FINISHES = "PUT /v2/*/blobs/uploads/*"
MANIFESTS = "/v2/*/manifests/*"
REFERRERS = "GET /v2/*/referrers/*"
STARTS = "POST /v2/*/blobs/uploads/"
TAGS = "GET /v2/*/tags/list"

SIGNED = Redirect(STORE, query=(("X-Amz-Signature", "a+b/c="), ("X-Amz-Expires", "60")))


def setup(
    limits: ServerLimits | None = None,
    *,
    user: str = "ann",
    anonymous: Rights | None = None,
    **options: Any,
) -> Setup:
    access = Access(users=(User(user, PASSWORD, EVERYTHING),), anonymous=anonymous or Rights())
    return Setup(limits=limits or ServerLimits(), access=access, **options)
