"""Programs of other projects that tests need."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

PEERS = Path(__file__).parents[2] / ".venvs" / "peers"
_BUILT = frozenset({"registry", "crane", "regctl", "oras", "oci-conformance", "oras-py"})
_ELSEWHERE = {"bgzip": "apt install tabix", "zot": "zotregistry.dev has it", "pyodide": "make pyodide brings it"}


def require(name: str) -> str:
    """Return the path of a program; without it, the test is skipped or fails (see `without`)."""
    return shutil.which(name) or without(name)


def without(name: str) -> str:
    """Skip the test because a program is missing; where CI is set, fail it unless .ci/run has left a reason.

    The reason is in the file `.venvs/peers/NAME.missing`. So a program that could not be installed skips tests, and one
    that CI forgot to install fails them. On Windows these tests are skipped.
    """
    if sys.platform == "win32":
        pytest.skip("programs of other projects are tried on Linux")
    reason = PEERS / f"{name}.missing"
    if reason.exists():
        pytest.skip(f"{name} is missing: {reason.read_text(encoding='utf-8').strip()}")
    if os.environ.get("CI"):
        pytest.fail(f"{name} is missing, and .ci/run neither installed it nor left a reason", pytrace=False)
    source = "make peers builds it" if name in _BUILT else _ELSEWHERE.get(name, f"apt install {name}")
    pytest.skip(f"{name} is not on PATH ({source})")
