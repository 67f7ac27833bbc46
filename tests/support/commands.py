"""Small programs that lading runs, such as credential helpers."""

from __future__ import annotations

import sys
from pathlib import Path


def write_program(directory: Path, name: str, source: str) -> Path:
    """Write a program in Python that is found under this name; in it, `me` is the returned path.

    On Windows the path stays free, and `NAME.cmd` starts `NAME.py`.
    """
    path = directory / name
    text = f"import os, sys\nme = {str(path)!r}\n{source}\n"
    if sys.platform == "win32":
        path.with_name(f"{name}.py").write_text(text, encoding="utf-8")
        path.with_name(f"{name}.cmd").write_text(f'@"{sys.executable}" -IS "%~dp0{name}.py" %*\n', encoding="utf-8")
    else:
        path.write_text(f"#!{sys.executable} -IS\n{text}", encoding="utf-8")
        path.chmod(0o755)
    return path
