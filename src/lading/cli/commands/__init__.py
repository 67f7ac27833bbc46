"""The verbs that there are.

Each has a module of its name here, which is imported only when it is the one that is run: `add_arguments` says what may
follow the verb, `run` does it and returns the exit code if that is not 0.
"""

from __future__ import annotations

VERBS = {
    "ping": "say whether a registry answers",
    "repos": "list the repositories of a registry",
    "tags": "list the tags of a repository",
    "resolve": "print the digest that a tag stands for",
    "inspect": "describe a manifest and what it names",
    "diff": "compare two images",
    "referrers": "list what refers to a manifest, such as its signatures",
    "evidence": "find SBOMs, provenance and signatures, wherever they are kept",
    "push": "push files and directories as an artifact",
    "attach": "attach files to a manifest, such as its SBOM",
    "pull": "pull the files of an artifact",
    "copy": "copy a manifest and all that it names, from any place to any other",
    "files": "list the files of a container image",
    "cat": "write one file of a container image",
    "export": "write the files of a container image as a tar archive or a directory",
    "index create": "push an index of manifests, such as the images for several platforms",
    "index add": "add entries to an index",
    "index remove": "take entries out of an index",
    "annotate": "change the annotations of a manifest",
    "mutate": "change how an image runs: environment, labels, entrypoint, user",
    "append": "put layers on top of an image",
    "rebase": "put an image on another base",
    "flatten": "make one layer of all layers of an image",
    "convert": "push an image in the form of OCI or Docker",
    "verify": "read a manifest and all that it names, and compare it with its digests",
    "tag": "give a manifest further tags",
    "untag": "delete a tag, and nothing else",
    "delete": "delete a manifest with all of its tags",
    "manifest pull": "write a manifest, byte for byte",
    "manifest push": "push a manifest, byte for byte",
    "manifest exists": "exit with 0 if there is such a manifest, 3 if not",
    "manifest delete": "delete a manifest with all of its tags",
    "blob pull": "write a blob",
    "blob push": "push a file as a blob",
    "blob exists": "exit with 0 if there is such a blob, 3 if not",
    "blob mount": "take over a blob from another repository",
    "blob delete": "delete a blob",
    "layout gc": "remove what nothing in an image layout needs",
    "login": "check a user name and password, and keep them",
    "logout": "drop them",
    "auth explain": "show where credentials are looked for, and which are used",
    "serve": "run a registry over a directory",
    "demo": "show all of this on real content, against a registry of its own",
}
