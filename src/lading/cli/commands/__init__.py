"""The verbs that there are.

Each has a module of its name here, which is imported only when it is the one that is run: `add_arguments` says what may
follow the verb, `run` does it and returns the exit code if that is not 0.
"""

from __future__ import annotations

VERBS = {
    "ping": "say whether a registry answers",
    "tags": "list the tags of a repository",
    "resolve": "print the digest that a tag stands for",
    "inspect": "describe a manifest and what it names",
    "push": "push files and directories as an artifact",
    "pull": "pull the files of an artifact",
    "manifest pull": "write a manifest, byte for byte",
    "manifest push": "push a manifest, byte for byte",
    "manifest exists": "exit with 0 if there is such a manifest, 3 if not",
    "blob pull": "write a blob",
    "blob push": "push a file as a blob",
    "blob exists": "exit with 0 if there is such a blob, 3 if not",
    "serve": "run a registry over a directory",
    "demo": "show all of this on real content, against a registry of its own",
}
