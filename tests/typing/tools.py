"""Tools next to the client: logins, garbage collection, checks and messages."""

from __future__ import annotations

from pathlib import Path
from typing import assert_type

from lading import (
    MOST_RANGES,
    TRANSPORT_FIELDS,
    Artifact,
    Blob,
    Client,
    Credential,
    CredentialSource,
    Digest,
    EvidenceKind,
    Explicit,
    Found,
    Headers,
    LocalReference,
    Logins,
    LookupStep,
    RateLimits,
    Reference,
    RemovedBlob,
    StorageError,
    StoredLogin,
    check_media_type,
    check_tag,
    collect_garbage,
    docker_credentials,
    parse_reference,
    printable,
    storage_errors,
)
from tests.typing import results


def logins(directory: Path) -> None:
    """Keep a login, find it and remove it."""
    logins = Logins(path=directory / "config.json")
    stored_login = logins.store(registry="registry.example", credential=Credential("user", "password"))
    assert_type(stored_login, StoredLogin)
    assert_type(stored_login.place, str)
    assert_type(stored_login.in_clear, bool)
    results.as_json(stored_login.to_dict())
    assert_type(logins.erase(registry="registry.example"), tuple[str, ...])
    source: CredentialSource = docker_credentials()
    assert_type(source.find("registry.example", ""), Found | None)
    for lookup_step in Explicit({"registry.example": ("user", "password")}).search("registry.example", ""):
        assert_type(lookup_step, LookupStep)
        assert_type(lookup_step.place, str)
        assert_type(lookup_step.outcome, str)
        assert_type(lookup_step.found, Found | None)
        results.as_json(LookupStep(place=lookup_step.place, outcome=lookup_step.outcome, found=None).to_dict())


def garbage(directory: Path) -> None:
    """Remove what no manifest of an image layout names."""
    with Client(state=False) as client:
        made = Artifact.pack("application/vnd.example.thing.v1", Blob(b"content", title="a.txt"))
        client.push(f"oci:{directory}:1", made)
        client.untag(f"oci:{directory}:1")
    for removed_blob in collect_garbage(directory, grace=0, dry_run=True):
        assert_type(removed_blob, RemovedBlob)
        assert_type(removed_blob.digest, Digest)
        assert_type(removed_blob.size, int)
        results.as_json(removed_blob.to_dict())


def checks() -> None:
    """Check strings, and read header fields."""
    assert_type(check_tag("v1"), str)
    assert_type(check_media_type("text/plain"), str)
    assert isinstance(parse_reference("registry.example/acme/app:1"), Reference)
    local = parse_reference("oci:layout:1")
    assert isinstance(local, LocalReference)
    assert str(parse_reference("2", beside=local)) == "oci:layout:2"
    assert_type(printable("a\x1b[2J", limit=80), str)
    Client(ranges=MOST_RANGES, state=False).close()
    Client(ranges=None, state=False).close()
    assert_type("host" in TRANSPORT_FIELDS, bool)
    kinds: list[EvidenceKind] = ["sbom", "provenance"]
    assert kinds
    rate_limits = RateLimits.of(headers=Headers([("RateLimit-Remaining", "76;w=21600")]))
    assert_type(rate_limits, RateLimits)
    assert_type(rate_limits.limit, int | None)
    assert_type(rate_limits.remaining, int | None)
    assert_type(rate_limits.window, int | None)
    results.as_json(rate_limits.to_dict())


def messages(path: Path) -> str:
    """Read a file that may be missing."""
    try:
        with storage_errors(what=f"cannot read {path}"):
            return path.read_text(encoding="utf-8")
    except StorageError as error:
        return str(error)
