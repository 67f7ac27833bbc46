"""Which programs of other projects does a test need?"""

from __future__ import annotations

import os
import shutil

import pytest


def require(name: str) -> str:
    """Return the path of a program. Without it the test is skipped; where CI is set, which installs all, it fails."""
    path = shutil.which(name)
    if path is not None:
        return path
    if os.environ.get("CI"):
        pytest.fail(f"{name} is not on PATH, and CI has to install it (.ci/run)", pytrace=False)
    pytest.skip(f"{name} is not on PATH (on Debian and Ubuntu: apt install {name})")
