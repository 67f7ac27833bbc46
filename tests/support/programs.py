"""Which programs of other projects does a test need?"""

from __future__ import annotations

import os
import shutil

import pytest

# Where programs come from that Debian and Ubuntu do not have.
_MODULES = {
    "registry": "github.com/distribution/distribution/v3/cmd/registry@v3.1.2",
    "crane": "github.com/google/go-containerregistry/cmd/crane@v0.22.1",
    "regctl": "github.com/regclient/regclient/cmd/regctl@v0.11.7",
    "oras": "oras.land/oras/cmd/oras@v1.3.0",
}
_ELSEWHERE = {
    "zot": "from zotregistry.dev",
    "oci-conformance": "conformance of github.com/opencontainers/distribution-spec, main branch, built under this name",
}


def require(name: str) -> str:
    """Return the path of a program. Without it the test is skipped; where CI is set, which installs programs, it fails.

    CI has no way to install some of them; and others come from modules of Go, and from there only where Go is.
    """
    path = shutil.which(name)
    if path is not None:
        return path
    installed_by_ci = shutil.which("go") is not None if name in _MODULES else name not in _ELSEWHERE
    if os.environ.get("CI") and installed_by_ci:
        pytest.fail(f"{name} is not on PATH, and CI has to install it (.ci/run)", pytrace=False)
    source = f"go install {_MODULES[name]}" if name in _MODULES else _ELSEWHERE.get(name, f"apt install {name}")
    pytest.skip(f"{name} is not on PATH ({source})")
