"""Which programs of other projects does a test need?"""

from __future__ import annotations

import os
import shutil

import pytest


def require(
    name: str, source: str = "on Debian and Ubuntu: apt install {name}", *, installed_by_ci: bool = True
) -> str:
    """Return the path of a program. Without it the test is skipped; where CI is set, which installs programs, it fails.

    `source` says where the program comes from. A program that CI cannot install is not `installed_by_ci`.
    """
    path = shutil.which(name)
    if path is not None:
        return path
    if os.environ.get("CI") and installed_by_ci:
        pytest.fail(f"{name} is not on PATH, and CI has to install it (.ci/run)", pytrace=False)
    pytest.skip(f"{name} is not on PATH ({source.format(name=name)})")
