"""Values that a user makes and reads without a client: references, digests, artifacts, credentials, bounds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import assert_type

import lading
from lading import (
    AnyReference,
    Artifact,
    Blob,
    Budgets,
    Chain,
    Credential,
    Descriptor,
    Digest,
    ErrorEntry,
    Explicit,
    File,
    Found,
    Gate,
    Headers,
    Limits,
    LocalReference,
    NewEntry,
    Platform,
    PlatformLike,
    Reader,
    Reference,
    RegistryName,
    Retries,
    Target,
    TargetReference,
    UploadState,
)
from tests.typing import results
from tests.typing.own import FromEnvironment, Shelf

EMPTY = Descriptor.of(b"{}", "application/vnd.oci.empty.v1+json")


def references() -> None:
    """Parse and read references."""
    reference = Reference.parse(text="registry.example/acme/app:1")
    assert_type(reference, Reference)
    assert_type(Reference.parse_repository(text="registry.example/acme/app"), Reference)
    assert_type(reference.registry, str)
    assert_type(reference.repository, str)
    assert_type(reference.tag, str | None)
    assert_type(reference.digest, Digest | None)
    assert_type(reference.scheme, str | None)
    assert_type(reference.authority, str)
    assert_type(reference.familiar, str)
    assert_type(reference.tag_or_digest, str | None)
    assert_type(reference.with_tag(tag="2"), Reference)
    assert_type(reference.with_digest(digest=EMPTY.digest), Reference)
    made = Reference(registry="registry.example", repository="acme/app", tag="1", digest=EMPTY.digest, scheme="http")

    local_reference = LocalReference.parse(text="oci:layout:1")
    assert_type(local_reference, LocalReference)
    assert_type(local_reference.transport, str)
    assert_type(local_reference.path, str)
    assert_type(local_reference.name, str | None)
    assert_type(local_reference.digest, Digest | None)
    layout = LocalReference(transport="oci", path="layout", name="1", digest=None)

    registry_name = RegistryName.parse(text="http://registry.example:5000")
    assert_type(registry_name, RegistryName)
    assert_type(registry_name.name, str)
    assert_type(registry_name.scheme, str | None)
    assert_type(registry_name.authority, str)
    assert registry_name == RegistryName(name="registry.example:5000", scheme="http")

    target_reference = TargetReference(target=Shelf(), tag_or_digest="1")
    assert_type(target_reference.target, Target)
    assert_type(target_reference.tag_or_digest, str | None)
    assert_type(target_reference.tag, str | None)
    assert_type(target_reference.digest, Digest | None)
    any_reference: list[AnyReference] = ["registry.example/acme/app", made, layout, target_reference]
    assert len(any_reference) == 4


def platforms() -> None:
    """Parse and compare platforms."""
    platform = Platform.parse(text="linux/arm/v7")
    assert_type(platform, Platform)
    assert_type(platform.architecture, str)
    assert_type(platform.os, str)
    assert_type(platform.os_version, str)
    assert_type(platform.os_features, tuple[str, ...])
    assert_type(platform.variant, str)
    assert_type(platform.normalised(), Platform)
    assert_type(platform.matches(Platform.local()), bool)
    made = Platform(architecture="arm", os="linux", os_version="", os_features=(), variant="v7")
    either: PlatformLike = made if made == platform else "linux/arm/v7"
    assert isinstance(either, Platform)


def digests() -> None:
    """Make digests and descriptors."""
    digest = Digest(EMPTY.digest)
    assert_type(digest, Digest)
    assert_type(digest.algorithm, str)
    assert_type(digest.encoded, str)
    hasher = digest.hasher()
    hasher.update(b"{}")
    assert_type(Digest.made(digest.algorithm, hasher), Digest)
    assert_type(Digest.of(content=b"{}", algorithm="sha512"), Digest)
    descriptor = Descriptor.of(
        content=b"{}",
        media_type="application/vnd.oci.empty.v1+json",
        algorithm="sha256",
        annotations={"org.example.key": "value"},
        platform=Platform.parse("linux/amd64"),
        artifact_type="application/vnd.example.thing.v1",
        embed=True,
    )
    assert_type(descriptor, Descriptor)
    assert_type(Descriptor.parse(raw=descriptor.encode()), Descriptor)
    assert_type(descriptor.encode(), bytes)
    descriptor.verify(content=b"{}")
    assert_type(descriptor.media_type, str)
    assert_type(descriptor.digest, Digest)
    assert_type(descriptor.size, int)
    assert_type(descriptor.urls, tuple[str, ...])
    assert_type(descriptor.annotations, Mapping[str, str])
    assert_type(descriptor.data, bytes | None)
    assert_type(descriptor.embedded, bytes | None)
    assert_type(descriptor.platform, Platform | None)
    assert_type(descriptor.artifact_type, str | None)
    results.as_json(descriptor.to_dict())
    Descriptor(
        media_type="text/plain",
        digest=digest,
        size=2,
        urls=("https://registry.example/blob",),
        annotations={},
        data=b"{}",
        platform=None,
        artifact_type=None,
    )


def artifacts(directory: Path) -> None:
    """Describe artifacts."""
    file = File(path=directory, media_type=None, title="files", annotations={"org.example.key": "value"})
    assert_type(file.media_type, str | None)
    assert_type(file.title, str | None)
    assert_type(file.annotations, Mapping[str, str])
    assert file.path == directory
    blob = Blob(content=iter([b"a", b"b"]), media_type="text/plain", title="ab", annotations={})
    assert_type(blob.content, bytes | Reader | Iterable[bytes])
    assert_type(blob.media_type, str)
    assert_type(blob.title, str | None)
    assert_type(blob.annotations, Mapping[str, str])
    assert_type(blob.open(), Reader)
    artifact = Artifact.pack(
        artifact_type="application/vnd.example.thing.v1",
        files=[file, blob],
        annotations={"org.example.key": "value"},
        config=None,
        subject=EMPTY,
    )
    assert_type(artifact, Artifact)
    assert_type(artifact.artifact_type, str | None)
    assert_type(artifact.files, tuple[File | Blob, ...])
    assert_type(artifact.annotations, Mapping[str, str])
    assert_type(artifact.config, File | Blob | None)
    assert_type(artifact.subject, Descriptor | None)
    new_entry = NewEntry(manifest="1", platform=Platform.local(), annotations={})
    assert_type(new_entry.annotations, Mapping[str, str])
    assert new_entry.manifest == "1"
    assert new_entry.platform is not None


def credentials() -> None:
    """Make and find credentials."""
    credential = Credential(username="user", password="password", identity_token="", registry_token="token")
    assert_type(credential.username, str)
    assert_type(credential.password.reveal(), str)
    assert_type(credential.identity_token.reveal(), str)
    assert_type(credential.registry_token.reveal(), str)
    assert_type(credential.basic(), str)
    assert_type(credential.bearer(), str)
    assert_type(credential.description, str)
    assert_type(credential.is_empty, bool)
    explicit = Explicit({"registry.example": credential, "other.example": ("user", "password")})
    assert_type(explicit.find("registry.example", "acme/app"), Found | None)
    assert next(explicit.search("registry.example", "acme/app")).found is not None
    chain = Chain([FromEnvironment(), explicit])
    found = chain.find("registry.example", "acme/app")
    assert found is not None
    assert_type(found.credential, Credential)
    assert_type(found.source, str)
    assert_type(found.warnings, tuple[str, ...])
    assert Found(credential=credential, source="a test", warnings=()) != found
    assert [each.outcome for each in chain.search("registry.example", "acme/app")]
    chain.forget(credential)


def bounds() -> None:
    """Set bounds."""
    budgets = Budgets(
        manifest=1, pushed_manifest=1, blob=1, page=1, pages=1, error=1, seconds=1.0, min_rate=1.0, rate_window=60
    )
    assert_type(budgets.manifest, int)
    assert_type(budgets.pushed_manifest, int)
    assert_type(budgets.blob, int)
    assert_type(budgets.page, int)
    assert_type(budgets.pages, int)
    assert_type(budgets.error, int)
    assert_type(budgets.seconds, float)
    assert_type(budgets.min_rate, float)
    assert_type(budgets.rate_window, float)
    gate = Gate(strict=True, trusted_realms=frozenset({"auth.example"}), foreign_layers=False)
    assert_type(gate.strict, bool)
    assert_type(gate.trusted_realms, frozenset[str])
    assert_type(gate.foreign_layers, bool)
    retries = Retries(tries=2, first_wait=1, longest_wait=2.0, total=10, patience=5, floor=60)
    assert_type(retries.tries, int)
    assert_type(retries.first_wait, float)
    assert_type(retries.longest_wait, float)
    assert_type(retries.total, float)
    assert_type(retries.patience, float)
    assert_type(retries.floor, int)
    limits = Limits(entries=1, size=None, ratio=1, ratio_from=1)
    assert_type(limits.entries, int)
    assert_type(limits.size, int | None)
    assert_type(limits.ratio, int)
    assert_type(limits.ratio_from, int)


def states() -> None:
    """Keep the state of an upload, and header fields."""
    upload_state = UploadState(
        registry="registry.example",
        repository="acme/app",
        location="https://registry.example/v2/acme/app/blobs/uploads/1",
        offset=0,
        chunk_min_length=0,
        chunk_max_length=None,
    )
    assert_type(UploadState.parse(raw=upload_state.encode()), UploadState)
    assert_type(upload_state.registry, str)
    assert_type(upload_state.repository, str)
    assert_type(upload_state.location, str)
    assert_type(upload_state.offset, int)
    assert_type(upload_state.chunk_min_length, int)
    assert_type(upload_state.chunk_max_length, int | None)
    results.as_json(upload_state.to_dict())
    assert_type(upload_state.encode(), bytes)
    headers = Headers([("Link", "a"), ("Link", "b")])
    assert_type(headers.get(name="Link"), str | None)
    assert_type(headers.all(name="Link"), tuple[str, ...])
    error_entry = ErrorEntry(code="DENIED", message="no", detail={"a": 1})
    assert_type(error_entry.code, str)
    assert_type(error_entry.message, str)
    detail: object = error_entry.detail  # pyright: ignore[reportAny]  # JSON of any shape
    assert detail == {"a": 1}
    results.as_json(error_entry.to_dict())
    assert_type(lading.__version__, str)
