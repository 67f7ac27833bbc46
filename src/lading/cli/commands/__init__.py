"""Verbs of the command line, each with a module of its name here.

The module is imported when its verb is run: `add_arguments` declares the arguments of the verb, `run` runs it and
returns the exit code if that is not 0.
"""

from __future__ import annotations

VERBS = {
    "ping": "check that a registry answers",
    "repos": "list the repositories of a registry",
    "tags": "list the tags of a repository",
    "resolve": "print the digest that a tag stands for",
    "inspect": "describe a manifest and what it names",
    "diff": "compare two images",
    "referrers": "list the manifests that refer to a manifest, such as its signatures",
    "evidence": "find SBOMs, provenance and signatures of a manifest",
    "push": "push files and directories as an artifact",
    "attach": "attach files to a manifest, such as its SBOM",
    "pull": "pull the files of an artifact",
    "copy": "copy a manifest and all that it names, between registries and disk",
    "files": "list the files of a container image",
    "cat": "write one file of a container image",
    "export": "write the files of a container image as a tar archive or a directory",
    "index create": "push an index of manifests, such as the images for several platforms",
    "index add": "add entries to an index",
    "index remove": "remove entries from an index",
    "annotate": "change the annotations of a manifest",
    "mutate": "change how an image runs: environment, labels, entrypoint, user",
    "append": "put layers on top of an image",
    "rebase": "replace the base of an image",
    "flatten": "merge all layers of an image into one",
    "convert": "convert an image to the format of OCI or Docker",
    "verify": "compare a manifest and all that it names with their digests",
    "tag": "give a manifest further tags",
    "untag": "delete a tag, but not its manifest",
    "delete": "delete a manifest with all of its tags",
    "manifest pull": "write a manifest, byte for byte",
    "manifest push": "push a manifest, byte for byte",
    "manifest exists": "exit with 0 if a manifest exists, 3 if not",
    "manifest delete": "delete a manifest with all of its tags",
    "blob pull": "write a blob",
    "blob push": "push a file as a blob",
    "blob exists": "exit with 0 if a blob exists, 3 if not",
    "blob mount": "mount a blob from another repository",
    "blob delete": "delete a blob",
    "layout gc": "remove the blobs of an image layout that nothing refers to",
    "login": "check a user name and password, and store them",
    "logout": "remove a stored user name and password",
    "auth explain": "show where credentials are searched, and which are used",
    "serve": "run a registry over a directory",
    "demo": "show lading on real content, with a registry of its own",
}
