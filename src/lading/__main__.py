"""Entry point of `python -m lading`, which runs the command `lading`."""

from __future__ import annotations

from lading.cli.main import run

if __name__ == "__main__":
    run()
