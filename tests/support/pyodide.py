"""Where is Python for browsers and Node.js, and what else does a page need that uses lading?"""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from pathlib import Path

import lading
from tests.support.programs import without

_ROOT = Path(__file__).parents[2]
_HOME = _ROOT / ".venvs" / "pyodide"


@dataclass(frozen=True, slots=True)
class Pyodide:
    """The directory of Pyodide, and the wheel of msgspec for it."""

    directory: Path
    wheel: Path


def require_pyodide() -> Pyodide:
    """Return what `make pyodide` has brought; without it, the test is skipped or fails as without a program."""
    directory, wheels = _HOME / "node_modules" / "pyodide", sorted(_HOME.glob("msgspec-*.whl"))
    if not directory.is_dir() or not wheels:
        without("pyodide")
    return Pyodide(directory, wheels[-1])


def package() -> bytes:
    """Return the package under test as a zip archive."""
    source = Path(lading.__file__).parent
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for path in sorted(source.rglob("*.py")):
            archive.write(path, path.relative_to(source.parent))
    return content.getvalue()
