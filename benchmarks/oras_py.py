"""What oras-py does for a work; it is a library, so this is the program that calls it.

    python benchmarks/oras_py.py http|https WORK ARGUMENT…

oras-py is left as it is by default: one request after another, and blobs to be pushed whole in memory.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any


def main() -> None:
    """Do the work that the command line names."""
    scheme, work, *arguments = sys.argv[1:]
    # requests, which it uses, does not look for SSL_CERT_FILE.
    trusted = os.environ.get("SSL_CERT_FILE") or True
    client = import_module("oras.provider").Registry(insecure=scheme == "http", tls_verify=trusted)
    _WORKS[work](client, *arguments)


def version(_client: Any) -> None:
    """Print the version."""
    print(import_module("oras.version").__version__)


def pull(client: Any, source: str, layout: str) -> None:
    """Pull an image to a layout, which may be there already."""
    import_module("oras.layout").Layout(layout, validate=False).pull_from_registry(client, source, tag="1")


def push(client: Any, layout: str, target: str) -> None:
    """Push an image from a layout."""
    import_module("oras.layout").Layout(layout).push_to_registry(client, target, tag="1")


def blob(client: Any, reference: str, file: str) -> None:
    """Pull a blob to a file."""
    client.download_blob(reference, client.get_container(reference).digest, file)


def resolve(client: Any, *references: str) -> None:
    """Print the digest of each tag; it has no method for that, and asks like this when it deletes a tag."""
    accepted = ", ".join(import_module("oras.defaults").default_manifest_accepted_media_types)
    for reference in references:
        url = f"{client.prefix}://{client.get_container(reference).manifest_url()}"
        answer = client.do_request(url, "HEAD", headers={"Accept": accepted})
        answer.raise_for_status()
        print(answer.headers["Docker-Content-Digest"])


def list_tags(client: Any, repository: str) -> None:
    """Print the tags of a repository."""
    print("\n".join(client.get_tags(repository)))


def resolve_tags(client: Any, repository: str) -> None:
    """Print the digest of each tag of a repository."""
    resolve(client, *(f"{repository}:{tag}" for tag in client.get_tags(repository)))


_WORKS: dict[str, Callable[..., None]] = {
    "version": version,
    "pull": pull,
    "push": push,
    "blob": blob,
    "resolve": resolve,
    "list": list_tags,
    "tags": resolve_tags,
}

if __name__ == "__main__":
    main()
