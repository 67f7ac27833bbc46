"""`python -m lading` is the command `lading`."""

from __future__ import annotations

from lading.cli.main import run

if __name__ == "__main__":
    run()
