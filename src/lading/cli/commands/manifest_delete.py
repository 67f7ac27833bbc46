"""Delete a manifest with all of its tags (end-9). Its blobs stay until the registry collects garbage.

The same as `lading delete`.
"""

from __future__ import annotations

from lading.cli.commands.delete import add_arguments, run

__all__ = ["add_arguments", "run"]
