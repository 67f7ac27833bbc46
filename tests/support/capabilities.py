"""What does a registry support of what the specification leaves to it? It is tried out, through lading's own client."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

from lading import (
    BlobUploadUnknownError,
    Client,
    Descriptor,
    Event,
    Exchanged,
    ImageIndex,
    ImageManifest,
    LadingError,
    Manifest,
    RegistryError,
    Repository,
    UnsupportedError,
)
from lading.media_types import OCI_CONFIG, OCI_LAYER, OCI_MANIFEST

TABLE = Path(__file__).parent.parent.parent / "docs" / "registries.md"

_HEAD = """# What registries support

What the specification leaves to registries, tried out against each of them with lading's own client by
`tests/registries/test_capabilities.py`, which also writes this page (`pytest tests/registries --write-tables`) and
fails when it does not hold. Where a registry lacks something, lading goes another way if there is one, and else raises
an error that says so: `tests/registries/test_endpoints.py` proves it for each endpoint and each registry.

"""

_CONFIG = b'{"architecture":"amd64","os":"linux"}'
_numbers = itertools.count(1)


class Place:
    """A registry, a client of it, and the exchanges that the client made."""

    def __init__(self, address: str, client: Client, exchanges: list[Exchanged]) -> None:
        self.address = address
        self.client = client
        self._exchanges = exchanges

    def repository(self) -> Repository:
        """Return a repository that nobody has used yet."""
        return self.client.repository(f"{self.address}/endpoints/r{next(_numbers)}")

    @contextmanager
    def watched(self) -> Generator[list[Exchanged]]:
        """Give the exchanges that were made within the context, once it is left."""
        made: list[Exchanged] = []
        before = len(self._exchanges)
        yield made
        made += self._exchanges[before:]


@contextmanager
def connected(address: str) -> Generator[Place]:
    """Make a client of a registry."""
    exchanges: list[Exchanged] = []

    def note(event: Event) -> None:
        if isinstance(event, Exchanged):
            exchanges.append(event)

    with Client(on_event=note) as client:
        yield Place(address, client, exchanges)


def image(repository: Repository, note: str = "", subject: Descriptor | None = None) -> Manifest[ImageManifest]:
    """Push the blobs of a small image, and return its manifest; another note makes another image."""
    config = repository.blobs.push(_CONFIG, media_type=OCI_CONFIG)
    layer = repository.blobs.push(f"layer {note}".encode(), media_type=OCI_LAYER)
    annotations = {"note": note} if note else {}
    return Manifest.of(ImageManifest(config=config, layers=(layer,), subject=subject, annotations=annotations))


def push_image(repository: Repository, *tags: str, note: str = "", subject: Descriptor | None = None) -> Descriptor:
    """Push a small image under some tags."""
    return repository.manifests.push(image(repository, note, subject), tags)


def _single_post(place: Place) -> bool:
    with place.watched() as exchanges:
        place.repository().blobs.push_at_once(b"at once")
    return len(exchanges) == 1


def _sha512_blobs(place: Place) -> bool:
    blobs = place.repository().blobs
    try:
        return blobs.pull(blobs.push(b"sha512", algorithm="sha512")) == b"sha512"
    except LadingError:
        return False


def _sha512_manifests(place: Place) -> bool:
    repository = place.repository()
    manifest = Manifest.of(image(repository).document, algorithm="sha512")
    try:
        repository.manifests.push(manifest)
        return repository.manifests.pull(manifest.digest).raw == manifest.raw
    except LadingError:
        return False


def _ranges(place: Place) -> bool:
    blobs = place.repository().blobs
    blob = blobs.push(b"0123456789")
    with place.watched() as exchanges, blobs.open(blob, offset=3, length=4) as stream:
        stream.read()
    return [exchange.status for exchange in exchanges] == [206]


def _cancels(place: Place) -> bool:
    upload = place.repository().uploads.start()
    upload.patch(b"abc", last=True)
    upload.cancel()
    try:
        upload.status()
    except BlobUploadUnknownError:
        return True
    return False


def _earlier_location(place: Place) -> bool:
    uploads = place.repository().uploads
    upload = uploads.start()
    upload.patch(b"0123")
    earlier = uploads.resume(upload.state)
    upload.patch(b"45")
    try:
        return earlier.status() == 6
    except RegistryError:
        return False


def _mounts(place: Place) -> bool:
    source = place.repository()
    blob = source.blobs.push(b"mounted")
    return place.repository().blobs.mount(blob, source.name)


def _mounts_from_anywhere(place: Place) -> bool:
    blob = place.repository().blobs.push(b"mounted from anywhere")
    return place.repository().blobs.mount(blob)


def _many_tags(place: Place) -> bool:
    repository = place.repository()
    manifest = image(repository)
    with place.watched() as exchanges:
        repository.manifests.push(manifest, ("a", "b", "c"))
    return len(exchanges) == 1


def _sparse_images(place: Place) -> bool:
    repository = place.repository()
    document = image(repository).document
    missing = Descriptor.of(b"not pushed", OCI_LAYER)
    return _takes(repository, ImageManifest(config=document.config, layers=(missing,)))


def _sparse_indexes(place: Place) -> bool:
    repository = place.repository()
    pushed = push_image(repository)
    missing = Descriptor.of(b"not pushed", OCI_MANIFEST)
    return _takes(repository, ImageIndex(manifests=(pushed, missing)))


def _stays_without_tags(place: Place) -> bool:
    repository = place.repository()
    pushed = push_image(repository, "a", note="1")
    push_image(repository, "a", note="2")
    return repository.manifests.exists(pushed.digest)


def _takes(repository: Repository, document: ImageManifest | ImageIndex) -> bool:
    try:
        repository.manifests.push(Manifest.of(document))
    except RegistryError:
        return False
    return True


def _order(place: Place) -> bool:
    repository = place.repository()
    tags = [f"v{number}" for number in range(20)]
    push_image(repository, *tags)
    return list(repository.tags.list()) == sorted(tags)


def _pages_of_tags(place: Place) -> bool:
    repository = place.repository()
    push_image(repository, "a", "b", "c")
    with place.watched() as exchanges:
        tags = list(repository.tags.list(n=1))
    return len(exchanges) > 1 and sorted(tags) == ["a", "b", "c"]


def _last(place: Place) -> bool:
    repository = place.repository()
    push_image(repository, "a", "b", "c")
    return list(repository.tags.list(last="a")) == ["b", "c"]


def _deletes_tags(place: Place) -> bool:
    repository = place.repository()
    push_image(repository, "a")
    return _done(lambda: repository.tags.delete("a"))


def _deletes_manifests(place: Place) -> bool:
    repository = place.repository()
    pushed = push_image(repository, "a")
    return _done(lambda: repository.manifests.delete(pushed.digest))


def _deletes_blobs(place: Place) -> bool:
    blobs = place.repository().blobs
    blob = blobs.push(b"deleted")
    return _done(lambda: blobs.delete(blob))


def _done(action: Callable[[], object]) -> bool:
    try:
        action()
    except UnsupportedError:
        return False
    return True


def _referrers(place: Place) -> bool:
    repository = place.repository()
    subject = push_image(repository, "a")
    with place.watched() as exchanges:
        list(repository.referrers.list(subject.digest))
    return exchanges[0].status == 200


def _catalog(place: Place) -> bool:
    repository = place.repository()
    push_image(repository, "a")
    return _done(lambda: next(place.client.registry(place.address).repositories()))


def _extensions(place: Place) -> bool:
    return _done(place.client.registry(place.address).extensions)


# What is tried out, by the text of its row.
PROBES: Mapping[str, Callable[[Place], bool]] = {
    "end-2 ranges of blobs": _ranges,
    "end-4b blob in one `POST`": _single_post,
    "end-4c, end-6 sha512 blobs": _sha512_blobs,
    "end-7a sha512 manifests": _sha512_manifests,
    "end-7a image with a missing layer": _sparse_images,
    "end-7a index with a missing manifest": _sparse_indexes,
    "end-7a image stays when its last tag moves": _stays_without_tags,
    "end-7b many tags in one `PUT`": _many_tags,
    "end-8a tags in order": _order,
    "end-8b pages of `n` tags": _pages_of_tags,
    "end-8b tags after `last`": _last,
    "end-9 deletion of tags": _deletes_tags,
    "end-9 deletion of manifests": _deletes_manifests,
    "end-10 deletion of blobs": _deletes_blobs,
    "end-11 mount from a repository": _mounts,
    "end-11 mount from anywhere": _mounts_from_anywhere,
    "end-12a referrers": _referrers,
    "end-13 status at an earlier location": _earlier_location,
    "end-14 cancelling an upload": _cancels,
    "`_catalog`": _catalog,
    "`_oci/ext/discover`": _extensions,
}


def read_table() -> dict[str, dict[str, bool]]:
    """Read docs/registries.md: what each registry supports, by the names in the head of the table."""
    lines = [line for line in TABLE.read_text(encoding="utf-8").splitlines() if line.startswith("|")]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    names = rows[0][1:]
    return {name: {row[0]: row[place] == "yes" for row in rows[2:]} for place, name in enumerate(names, 1)}


def write_table(found: Mapping[str, Mapping[str, bool]]) -> None:
    """Write docs/registries.md: a column for each registry, in the order given."""
    rows = [["", *found], ["---"] * (len(found) + 1)]
    rows += [[text, *("yes" if column.get(text) else "no" for column in found.values())] for text in PROBES]
    TABLE.write_text(_HEAD + "".join(f"| {' | '.join(row)} |\n" for row in rows), encoding="utf-8")
