"""Delete a manifest with all of its tags; what it names stays until the registry cleans up (end-9).

The same as `lading delete`.
"""

from __future__ import annotations

from lading.cli.commands.delete import add_arguments, run

__all__ = ["add_arguments", "run"]
