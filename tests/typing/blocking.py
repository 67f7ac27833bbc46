"""Every verb of the blocking face with every parameter, as a user writes them."""

from __future__ import annotations

import io
import sys
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import assert_type

from lading import (
    MANIFEST_TYPES,
    Artifact,
    Blob,
    Blobs,
    BlobStream,
    Budgets,
    Client,
    Copied,
    Credential,
    Descriptor,
    Digest,
    Document,
    Event,
    Evidence,
    Exported,
    Extension,
    File,
    FileChange,
    FileEntry,
    Gate,
    Image,
    ImageDiff,
    ImageIndex,
    ImageManifest,
    Images,
    Indexes,
    Inspection,
    LadingError,
    Limits,
    Manifest,
    Manifests,
    NewEntry,
    PackedLayer,
    Platform,
    Pulled,
    RawResponse,
    Referrers,
    ReferrerTree,
    Registry,
    Repository,
    Retries,
    Tags,
    TargetReference,
    UnsupportedError,
    Upload,
    Uploads,
    UploadState,
    Verified,
)
from tests.typing import results
from tests.typing.own import Chunks, Direct, FromEnvironment, Shelf, Text, on_event

SBOM = "application/vnd.example.sbom.v1"


def run(host: str, directory: Path) -> None:
    """Use a registry on loopback for everything."""
    options(directory)
    with Client(plain_http=host, on_event=on_event, state=directory / "state") as client:
        assert_type(client, Client)
        artifacts(client, host, directory)
        container_images(client, host, directory)
        files(client, host, directory)
        copies(client, host, directory)
        one_repository(client, client.repository(f"{host}/acme/blobs"), directory)
        one_registry(client.registry(host))
        names(client, host)
        single_contents(client, f"{host}/acme/single", directory)
        single_contents(client, f"oci:{directory / 'single'}", directory)
    client.close()


def options(directory: Path) -> None:
    """Give every option of a client."""
    events: list[Event] = []
    client = Client(
        plain_http=["registry.example:5000"],
        insecure="registry.example",
        ca_file=None,
        client_certificates={
            "one.example": "both.pem",
            "two.example": Path("both.pem"),
            "three.example": (Path("certificate.pem"), "key.pem"),
        },
        headers={"X-Team": "acme"},
        timeout=None,
        concurrency=8,
        ranges=2,
        credentials={"registry.example": ("user", "password"), "ghcr.io/acme": Credential("user", "password")},
        budgets=Budgets(blob=1 << 20),
        gate=Gate(strict=True),
        retries=Retries(tries=2),
        on_event=events.append,
        state=directory / "state",
        links_below=directory,
        transport=Direct(),
    )
    client.close()
    pairs = {"registry.example": ("user", "password")}
    Client(credentials=pairs, state=False).close()
    Client(credentials=FromEnvironment(), insecure=("registry.example",)).close()


def artifacts(client: Client, host: str, directory: Path) -> None:
    """Push, attach, find and pull artifacts."""
    reference = f"{host}/acme/thing:1"
    (directory / "a.txt").write_text("a", encoding="utf-8")
    made = Artifact.pack(
        "application/vnd.example.thing.v1",
        [directory / "a.txt", Blob(b"b", title="b.txt")],
        annotations={"org.example.key": "value"},
        config=Blob(b"{}", "application/vnd.example.config.v1"),
    )
    assert_type(client.push(reference, made), Descriptor)
    sbom = Artifact.pack(SBOM, File(directory / "a.txt", title="sbom.txt"))
    assert_type(client.attach(reference, sbom, platform=None), Descriptor)
    pulled = client.pull(reference, directory / "pulled", platform=None, portable=True)
    assert_type(pulled, Pulled)
    results.of_pull(pulled)
    referrer_tree = client.referrers_tree(
        reference, platform=None, artifact_type=SBOM, annotations={"org.example.other": None}, depth=2
    )
    assert_type(referrer_tree, ReferrerTree)
    results.of_referrers(referrer_tree)
    found = client.evidence(reference, platform=None)
    assert_type(found, tuple[Evidence, ...])
    for evidence in found:
        results.of_evidence(evidence)
    verified = client.verify(reference, shallow=True, limits=Limits(size=1 << 30))
    assert_type(verified, Verified)
    results.of_verification(verified)


def container_images(client: Client, host: str, directory: Path) -> None:
    """Make, edit and compare container images and indexes."""
    images, indexes = client.images, client.indexes
    assert_type(images, Images)
    assert_type(indexes, Indexes)
    root = directory / "root"
    root.mkdir()
    (root / "hello").write_text("hello", encoding="utf-8")
    packed_layer = images.pack_layer(root)
    assert_type(packed_layer, PackedLayer)
    base = Image.scratch("linux/amd64").appended(packed_layer, created_by="hello")
    first, other, index = f"{host}/acme/image:1", f"{host}/acme/image:arm64", f"{host}/acme/image:all"
    copied = images.push(base, first)
    assert_type(copied, Copied)
    results.of_copy(copied)
    image = images.load(first, platform=Platform("amd64", "linux"))
    assert_type(image, Image)
    results.of_image(image, packed_layer)
    images.push(Image.scratch(Platform.parse("linux/arm64")).appended(packed_layer), other)

    entries = [NewEntry(first, platform="linux/amd64", annotations={"org.example.key": "value"})]
    assert_type(indexes.create(index, [*entries, "arm64"], annotations={"org.example.key": "value"}), Copied)
    assert_type(indexes.add(index, ["arm64"], to=f"{index}-added"), Copied)
    assert_type(indexes.remove(index, "arm64", platforms=(), to=f"{index}-tag"), Copied)
    assert_type(indexes.remove(index, platforms=["linux/arm64"], to=f"{index}-platform"), Copied)

    edited, platforms = f"{host}/acme/image:edited", ("linux/amd64",)
    assert_type(images.edit(index, edited, labelled, platforms=platforms), Copied)
    assert_type(images.edit(index, edited, lambda each: each.mutated(user="1000")), Copied)
    annotations = {"org.example.key": "value"}
    assert_type(images.annotate(first, edited, annotations, platforms=()), Copied)
    assert_type(images.rebase(first, edited, old_base=first, new_base=first, platforms=()), Copied)
    assert_type(images.flatten(first, edited, platforms=()), Copied)
    assert_type(images.convert(first, edited, "docker"), Copied)

    inspection = client.inspect(index, platform=None, referrers=True, details=2)
    assert_type(inspection, Inspection)
    results.of_inspection(inspection)
    images.edit(first, edited, labelled)
    image_diff = client.diff(first, edited, platform="linux/amd64")
    assert_type(image_diff, ImageDiff)
    results.of_diff(image_diff)


def labelled(image: Image) -> Image:
    """Return an image with another label and a further entry of the history."""
    return image.mutated(labels={"org.example.key": "value"}, created=datetime(2000, 1, 1, tzinfo=UTC))


def files(client: Client, host: str, directory: Path) -> None:
    """Read the files of a container image."""
    reference, limits = f"{host}/acme/image:1", Limits(entries=1000)
    listed = client.files(reference, "/hello", platform="linux/amd64", limits=limits)
    assert_type(listed, tuple[FileEntry, ...])
    for file_entry in listed:
        results.of_files(file_entry)
    changes = client.diff_files(reference, reference, platform="linux/amd64", limits=limits)
    assert_type(changes, tuple[FileChange, ...])
    for file_change in changes:
        results.of_changes(file_change)
    exported = client.export_tar(reference, directory / "image.tar", platform="linux/amd64", limits=limits)
    assert_type(exported, Exported)
    results.of_export(exported)
    exported_to = directory / "exported"
    client.export_directory(reference, exported_to, platform="linux/amd64", privileged=False, limits=limits)
    client.export_file(reference, "/hello", io.BytesIO(), platform="linux/amd64", limits=limits)
    client.export_file(reference, "/hello", Chunks())
    assert_type(client.read_file(reference, "/hello", platform="linux/amd64", limits=limits), bytes)


def copies(client: Client, host: str, directory: Path) -> None:
    """Copy between a registry, a layout and a target of one's own."""
    source, layout = f"{host}/acme/image:all", f"oci:{directory / 'layout'}:all"
    copied = client.copy(
        source,
        layout,
        platforms=[Platform("amd64", "linux"), "linux/arm64"],
        index="sparse",
        referrers=True,
        depth=2,
        digest_tags=True,
        dry_run=False,
    )
    assert_type(copied, Copied)
    several = client.copy_tags(
        f"{host}/acme/image",
        f"oci:{directory / 'tags'}",
        "all*",
        platforms="linux/amd64",
        index="rewritten",
        referrers=False,
        depth=1,
        digest_tags=False,
        dry_run=True,
        fail_fast=True,
        on_result=lambda tag, result: assert_type((tag, result), tuple[str, Copied | LadingError]),
    )
    assert_type(several, dict[str, Copied | LadingError])
    client.copy(source, TargetReference(Shelf(), "all"))


def one_repository(client: Client, repository: Repository, directory: Path) -> None:
    """Use the endpoints of one repository."""
    assert_type(repository, Repository)
    assert_type(repository.registry, str)
    assert_type(repository.name, str)
    some_blobs(repository, directory)
    some_uploads(repository)
    manifests = repository.manifests
    assert_type(manifests, Manifests)
    config = repository.blobs.push(b"{}", media_type="application/vnd.oci.empty.v1+json")
    manifest = Manifest.of(ImageManifest(config=config, layers=(config,)))
    assert_type(manifest, Manifest[ImageManifest])
    with client.record() as answers:
        assert_type(answers, list[RawResponse])
        descriptor = manifests.push(manifest, "1")
        assert_type(descriptor, Descriptor)
        manifests.push(manifest.raw, ["2", "3"], media_type=manifest.media_type)
    for raw_response in answers:
        results.of_response(raw_response)
    assert_type(manifests.resolve("1", accept=MANIFEST_TYPES), Descriptor)
    assert_type(manifests.exists("1", accept="application/vnd.oci.image.manifest.v1+json"), bool)
    assert_type(manifests.pull("1"), Manifest[Document])
    assert_type(manifests.pull("1", ImageManifest), Manifest[ImageManifest])
    file = directory / "manifest.json"
    accept = list(MANIFEST_TYPES)
    assert_type(manifests.pull_file("1", file, platform=None, accept=accept), Descriptor)
    pulled = manifests.pull(descriptor, kind=ImageManifest, platform=None, accept=[*MANIFEST_TYPES])
    assert_type(pulled.document, ImageManifest)
    tags = repository.tags
    assert_type(tags, Tags)
    for tag in tags.list(n=1, last="1"):
        assert_type(tag, str)
    tags.delete("2")
    tags.displace("3")
    referrers = repository.referrers
    assert_type(referrers, Referrers)
    for referrer in referrers.list(descriptor.digest, artifact_type=SBOM):
        assert_type(referrer, Descriptor)
    manifests.delete(descriptor.digest)
    repository.blobs.delete(config)


def some_blobs(repository: Repository, directory: Path) -> None:
    """Push, read and mount blobs."""
    blobs = repository.blobs
    assert_type(blobs, Blobs)
    other = f"{repository.registry}/acme/image".partition("/")[2]
    content = b"content"
    descriptor = blobs.push(content, media_type="text/plain", algorithm="sha256", mount_from=other)
    assert_type(descriptor, Descriptor)
    assert_type(blobs.push_at_once(content, media_type="text/plain", algorithm="sha512"), Descriptor)
    path = directory / "blob"
    assert_type(blobs.pull_file(descriptor, path, title="blob"), Descriptor)
    blobs.push_file(path, media_type="text/plain", algorithm="sha256", title="blob", mount_from=other)
    with path.open("rb") as file:
        blobs.push_stream(file, media_type="text/plain", algorithm="sha256", mount_from=other)
    blobs.push_stream(io.BytesIO(content))
    assert_type(blobs.resolve(descriptor.digest), Descriptor)
    assert_type(blobs.exists(descriptor), bool)
    assert_type(blobs.pull(descriptor), bytes)
    assert_type(blobs.mount(descriptor, other), bool)
    with blobs.open(descriptor, offset=1, length=3) as blob_stream:
        assert_type(blob_stream, BlobStream)
        assert_type(blob_stream.read(2), bytes)
        assert_type(blob_stream.read(size=2), bytes)
        assert_type(blob_stream.digest, Digest)
        assert_type(blob_stream.size, int | None)
        assert_type(blob_stream.verified, bool)
    with blobs.open(descriptor) as blob_stream:
        for piece in blob_stream:
            assert_type(piece, bytes)


def stdin(repository: Repository) -> None:
    """Push what another program writes. Only type-checked: tests have no such program."""
    repository.blobs.push_stream(sys.stdin.buffer)


def some_uploads(repository: Repository) -> None:
    """Push a blob step by step."""
    uploads = repository.uploads
    assert_type(uploads, Uploads)
    upload = uploads.start(algorithm="sha256")
    assert_type(upload, Upload)
    assert_type(upload.chunk_min_length, int)
    assert_type(upload.chunk_max_length, int | None)
    assert_type(upload.patch(b"con", last=False), int)
    assert_type(upload.patch(Text("te"), last=True), int)
    assert_type(upload.state, UploadState)
    upload = uploads.resume(upload.state)
    assert_type(upload, Upload)
    assert_type(upload.status(), int)
    assert_type(upload.offset, int)
    assert_type(upload.finish(Digest.of(b"content"), b"nt"), Descriptor)
    upload = uploads.start()
    upload.cancel()


def one_registry(registry: Registry) -> None:
    """Ask a registry what it has."""
    assert_type(registry, Registry)
    assert_type(registry.name, str)
    registry.ping()
    for name in registry.repositories(n=1, last="acme"):
        assert_type(name, str)
    assert_type(registry.repository("acme/image"), Repository)
    with suppress(UnsupportedError):
        extensions = registry.extensions()
        assert_type(extensions, tuple[Extension, ...])
        for extension in extensions:
            results.of_extension(extension)


def names(client: Client, host: str) -> None:
    """Resolve, tag and delete by reference."""
    reference = f"{host}/acme/image:all"
    descriptor = client.resolve(reference, platform="linux/amd64")
    assert_type(descriptor, Descriptor)
    references = [reference, f"{host}/acme/image:missing"]
    resolved = client.resolve_many(references, platform="linux/amd64")
    assert_type(resolved, list[Descriptor | LadingError])
    errors = [each for each in resolved if isinstance(each, LadingError)]
    assert_type(errors, list[LadingError])
    for tag in client.tags(f"{host}/acme/image"):
        assert_type(tag, str)
    assert_type(client.tag(reference, ["2", "3"]), Descriptor)
    client.untag(f"{host}/acme/image:2", displace=False)
    index = client.repository(f"{host}/acme/image").manifests.pull("all", ImageIndex)
    assert_type(index.document.choose("linux/amd64"), Descriptor)
    client.delete(f"{host}/acme/image@{index.digest}")


def single_contents(client: Client, place: str, directory: Path) -> None:
    """Push, pull and delete single manifests and blobs."""
    (directory / "single.json").write_bytes(b"{}")
    config = client.push_blob(place, File(directory / "single.json", "application/vnd.oci.empty.v1+json"))
    assert_type(config, Descriptor)
    layer = client.push_blob(place, Blob(io.BytesIO(b"layer"), "text/plain"))
    manifest = Manifest.of(ImageManifest(artifact_type="application/vnd.acme", config=config, layers=(layer,)))
    assert_type(client.push_manifest(f"{place}:1", manifest, ["2"]), Descriptor)
    pushed = client.push_manifest(f"{place}:3", manifest.raw, "4", media_type=manifest.media_type)
    pulled = client.pull_manifest(f"{place}:1", directory / "manifest.json", platform=None)
    assert_type(pulled, Manifest[Document])
    assert_type(client.blob_exists(place, layer), bool)
    assert_type(client.pull_blob(place, layer.digest, directory / "layer"), Descriptor)
    client.pull_blob(place, layer, Chunks())
    client.delete(f"{place}@{pushed.digest}")
    client.delete_blob(place, layer.digest)
