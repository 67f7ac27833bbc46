"""Client for the options and references of a command line."""

from __future__ import annotations

import argparse
import os
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from lading import (
    Budgets,
    Client,
    Digest,
    InvalidReferenceError,
    LocalReference,
    Reference,
    Retries,
    StorageError,
    parse_reference,
    printable,
)
from lading.cli.event_output import Events
from lading.cli.interruption import ending_soon
from lading.cli.options import once
from lading.cli.output import ClosedPipeError, Output, UsageError, is_closed_pipe

if TYPE_CHECKING:
    from lading import CredentialSource, Repository

_ARCHIVES = ("oci-archive:", "docker-archive:")


@contextmanager
def connected(
    options: argparse.Namespace, output: Output, *registries: str, credentials: CredentialSource | None = None
) -> Generator[Client]:
    """Open a client whose trust options apply to the registries that the command line names, and to no others.

    `credentials` replace those of docker and podman. Raises `UsageError`.
    """
    _give_stdout_to_archive(options, output)
    if len(set(registries)) > 1 and (options.cert or options.headers):
        raise UsageError("--cert and --header would be sent to both registries: copy in two steps, by way of oci:DIR")
    if options.key and not options.cert:
        raise UsageError("--key is the private key of a client certificate: give --cert FILE as well")
    if options.config:
        from pathlib import Path

        if Path(options.config).exists() and not Path(options.config).is_dir():
            raise UsageError(f"--config {options.config!r} is not a directory: name the directory of config.json")
        os.environ["DOCKER_CONFIG"] = options.config
    certificate = (options.cert, options.key) if options.key else options.cert
    with (
        ending_soon(),
        Events(output) as events,
        Client(
            credentials=credentials or _account(options, registries),
            plain_http=registries if options.plain_http else (),
            insecure=registries if options.insecure else (),
            ca_file=options.ca_file,
            client_certificates=dict.fromkeys(registries, certificate) if certificate else None,
            headers=once(options.headers, "header"),
            timeout=options.timeout,
            budgets=None if options.min_rate is None else Budgets(min_rate=options.min_rate),
            retries=Retries(tries=options.retries + 1, floor=options.floor),
            concurrency=options.concurrency,
            ranges=options.ranges,
            links_below=options.links_below,
            on_event=events,
        ) as client,
    ):
        try:
            yield client
        except StorageError as error:
            if output.has_archive and is_closed_pipe(error):
                raise ClosedPipeError from error
            raise


def _give_stdout_to_archive(options: argparse.Namespace, output: Output) -> None:
    """Print results elsewhere if stdout gets an archive. Raises `UsageError` if it cannot."""
    if any(isinstance(each, str) and each.startswith(_ARCHIVES) for each in vars(options).values()):
        from lading.cli.file_arguments import archive_on_stdout

        if archive_on_stdout(options):
            output.has_archive = True


def _account(options: argparse.Namespace, registries: tuple[str, ...]) -> dict[str, Any] | None:
    """Return the credentials of the options, for the registries that the command line names."""
    user, on_stdin = getattr(options, "user", ""), getattr(options, "password_stdin", False)
    if bool(user) != on_stdin:
        raise UsageError("--user and --password-stdin need each other: the password is read from stdin")
    if not user:
        return None
    if len(set(registries)) > 1:
        raise UsageError("--user would log in to both registries: use `lading login` for each")
    from lading.cli.passwords import from_stdin

    return dict.fromkeys(registries, (user, from_stdin()))


@contextmanager
def connected_to(options: argparse.Namespace, output: Output, reference: Reference) -> Generator[Repository]:
    """Open a client as `connected` does, and give the repository of a reference."""
    with connected(options, output, reference.registry) as client:
        yield client.repository(str(replace(reference, tag=None, digest=None)))


def registries_of(*references: str) -> tuple[str, ...]:
    """Return the registries of references and of names of repositories; a path on disk has none."""
    parsed = [parse_reference(text) for text in references]
    return tuple(dict.fromkeys(each.registry for each in parsed if isinstance(each, Reference)))


def manifest_reference(text: str) -> Reference:
    """Read a reference to a manifest in a registry. Raises `InvalidReferenceError`."""
    reference = parse_reference(text)
    if isinstance(reference, LocalReference):
        raise InvalidReferenceError(f"'{printable(text)}' is on disk: this verb needs a reference to a registry")
    return reference


def without_tag(text: str) -> str:
    """Read the name of a whole repository, layout or archive. Raises `InvalidReferenceError`."""
    reference = parse_reference(text)
    return str(reference if isinstance(reference, LocalReference) else Reference.parse_repository(text))


def with_digest(text: str, digest: Digest, *, tagged: bool) -> str:
    """Return a whole reference with a digest, and with its tag if it is `tagged`; an archive has no digest."""
    reference = parse_reference(text)
    if isinstance(reference, LocalReference):
        return text if reference.transport != "oci" else str(replace(reference, name=None, digest=digest))
    return str(replace(reference, tag=reference.tag if tagged else None, digest=digest))


def blob_place(text: str) -> tuple[str, Digest]:
    """Read REPOSITORY@DIGEST, oci:DIR@DIGEST or oci-archive:FILE@DIGEST as the place and the digest of a blob.

    Raises `InvalidReferenceError`, and `InvalidDigestError` for a digest that cannot be computed.
    """
    place, at, digest = text.rpartition("@")
    local = parse_reference(place or text)
    if not isinstance(local, LocalReference):
        reference, named = blob_reference(text)
        return str(replace(reference, tag=None, digest=None)), named
    if not at or ":" not in digest:
        raise InvalidReferenceError(f"'{printable(text)}' does not name a blob: write {local.transport}:PATH@DIGEST")
    return place, Digest(digest)


def blob_reference(text: str) -> tuple[Reference, Digest]:
    """Read REPOSITORY@DIGEST. Raises `InvalidReferenceError`."""
    reference = manifest_reference(text)
    if reference.digest is None:
        raise InvalidReferenceError(f"'{printable(text)}' does not name a blob: write REPOSITORY@DIGEST")
    return reference, reference.digest
