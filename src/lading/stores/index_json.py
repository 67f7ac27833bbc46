"""Parser and editor of an image layout's index.json (image-spec, image-layout.md and image-index.md).

Fields, entries and annotations of other tools, and their order, survive a change byte for byte; only the entries that
the change concerns are rewritten.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import msgspec

from lading._text import shortened
from lading.annotations import CONTAINERD_NAME, REF_NAME
from lading.descriptor import Descriptor
from lading.digest import Digest
from lading.errors import DocumentError, LayoutError, ManifestUnknownError
from lading.media_types import OCI_INDEX, is_index
from lading.reference import canonical_name

_SHOWN = 10
_EMPTY = b'{"schemaVersion":2,"mediaType":"' + OCI_INDEX.encode() + b'","manifests":[]}'


class _Names(msgspec.Struct, rename="camel"):
    """Members of an entry by which it is looked up."""

    digest: str
    media_type: str = ""
    annotations: dict[str, Any] | None = None


class IndexJsonEntry(NamedTuple):
    """One element of `manifests`."""

    raw: msgspec.Raw
    """JSON of the entry."""
    digest: str
    """Digest of the manifest, not validated."""
    media_type: str
    """Media type of the manifest, "" if the entry does not state one."""
    tag: str | None
    """Value of org.opencontainers.image.ref.name."""
    image: str | None = None
    """Canonical value of io.containerd.image.name, the whole name of an image; the tag is then only a part of it."""


class LayoutIndex:
    """Content of an index.json. Immutable.

    Several entries may have the same name, which the specification allows: images of one name for several platforms, or
    images of several repositories with the same tag.
    """

    __slots__ = ("_digests", "_entries", "_fields", "_images", "_tags", "tags")

    def __init__(self, fields: dict[str, msgspec.Raw], entries: Iterable[IndexJsonEntry]) -> None:
        self._fields = fields
        self._entries = tuple(entries)
        self._tags: defaultdict[str, dict[str, IndexJsonEntry]] = defaultdict(dict)
        self._images: defaultdict[str, dict[str, IndexJsonEntry]] = defaultdict(dict)
        self._digests: dict[str, IndexJsonEntry] = {}
        for entry in self._entries:
            self._digests.setdefault(entry.digest, entry)
            if entry.tag is not None:
                self._tags[entry.tag].setdefault(entry.digest, entry)
            if entry.image is not None:
                self._images[entry.image].setdefault(entry.digest, entry)
        self.tags: tuple[str, ...] = tuple(sorted({*filter(None, map(self._listed, self._entries))}))

    @classmethod
    def parse(cls, raw: bytes) -> LayoutIndex:
        """Parse an index.json. Raises `LayoutError`, which does not name the file, if it is not an image index."""
        try:
            fields = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
            manifests = bytes(fields.get("manifests", b"null"))
            entries = msgspec.json.decode(manifests, type=list[msgspec.Raw] | None) or []
            names = msgspec.json.decode(manifests, type=list[_Names] | None) or []
            version = msgspec.json.decode(fields.get("schemaVersion", b"2"))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise LayoutError(f"not an image index: {shortened(str(error))}") from error
        if version != 2:
            raise LayoutError(f"schemaVersion is {shortened(str(version))!r}, not 2")
        return cls(fields, (_entry(raw, name) for raw, name in zip(entries, names, strict=True)))

    @classmethod
    def empty(cls) -> LayoutIndex:
        """Return the index of a layout without manifests."""
        return cls.parse(_EMPTY)

    def encode(self) -> bytes:
        """Return the index as JSON, the content of the file."""
        manifests = msgspec.Raw(msgspec.json.encode([entry.raw for entry in self._entries]))
        return msgspec.json.encode({**self._fields, "manifests": manifests})

    def candidates(self, name: str) -> tuple[Descriptor, ...]:
        """Return each manifest that has a name: a tag, or else the whole name of an image such as `alpine:3`.

        Raises `LayoutError` if an entry is invalid.
        """
        entries = self._tags.get(name)
        if entries is None and self._images:
            entries = self._images.get(canonical_name(name) or "")
        return tuple(map(_descriptor, (entries or {}).values()))

    def tagged(self, tag: str) -> Descriptor | None:
        """Return the only manifest that has a name, None if none has it.

        Raises `ManifestUnknownError` if several have it, and `LayoutError` if an entry is invalid.
        """
        found = self.candidates(tag)
        if len(found) > 1:
            raise ManifestUnknownError(several(tag, found))
        return found[0] if found else None

    def images(self) -> tuple[tuple[str | None, str], ...]:
        """Return the name that each entry is listed under, if it has one, and its digest, not validated."""
        return tuple((self._listed(entry), entry.digest) for entry in self._entries)

    def at(self, position: int) -> Descriptor | None:
        """Return the manifest of an entry, from 0; None if there are fewer. Raises `LayoutError` if it is invalid."""
        return _descriptor(self._entries[position]) if position < len(self._entries) else None

    def named(self, digest: Digest) -> Descriptor | None:
        """Return the descriptor of a digest, None if it is not listed. Raises `LayoutError` if its entry is invalid."""
        entry = self._digests.get(digest)
        return None if entry is None else _descriptor(entry)

    def manifests(self) -> tuple[Descriptor, ...]:
        """Return each manifest once, in the order of the file. Raises `LayoutError` if an entry is invalid."""
        return tuple(map(_descriptor, self._digests.values()))

    def indexes(self) -> tuple[Descriptor, ...]:
        """Return each manifest that is itself an index, as `manifests` does."""
        return tuple(_descriptor(entry) for entry in self._digests.values() if is_index(entry.media_type))

    def with_manifest(self, descriptor: Descriptor, tags: Iterable[str] = ()) -> LayoutIndex:
        """Return the index with an entry for each tag of a manifest, or with one untagged entry.

        A tag that named another manifest moves; that manifest stays, without a tag if it has no other.
        """
        names = dict.fromkeys(tags)
        entries: list[IndexJsonEntry] = []
        own: set[str | None] = set()
        sample = self._digests.get(descriptor.digest)
        for entry in self._released(tag for tag in names if self._names_another(tag, descriptor.digest)):
            if entry.digest != descriptor.digest:
                entries.append(entry)
            elif entry.tag is not None or not names:
                entries.append(_described(entry.raw, descriptor, entry.tag))
                own.add(entry.tag)
        missing = [tag for tag in names if tag not in own] if names or own else [None]
        base = sample.raw if sample else msgspec.Raw(b"{}")
        entries.extend(_described(base, descriptor, tag) for tag in missing)
        return LayoutIndex(self._fields, entries)

    def without_tag(self, tag: str) -> LayoutIndex:
        """Return the index without a tag; the tagged manifest stays."""
        return LayoutIndex(self._fields, self._released([tag]))

    def without_manifest(self, digest: Digest) -> LayoutIndex:
        """Return the index without a manifest and its tags."""
        return LayoutIndex(self._fields, (entry for entry in self._entries if entry.digest != digest))

    def _listed(self, entry: IndexJsonEntry) -> str | None:
        """Return the shortest name that leads to an entry: the whole name of an image whose tag others have as well."""
        if entry.tag is None or (entry.image is not None and len(self._tags[entry.tag]) > 1):
            return entry.image
        return entry.tag

    def _names_another(self, tag: str, digest: Digest) -> bool:
        return any(other != digest for other in self._tags.get(tag, ()))

    def _released(self, tags: Iterable[str]) -> list[IndexJsonEntry]:
        """Return the entries without some tags; every manifest keeps at least one entry."""
        gone = frozenset(tags)
        if not gone:
            return list(self._entries)
        left = Counter(entry.digest for entry in self._entries)
        entries: list[IndexJsonEntry] = []
        for entry in self._entries:
            if entry.tag not in gone:
                entries.append(entry)
            elif left[entry.digest] > 1:
                left[entry.digest] -= 1
            else:
                entries.append(_described(entry.raw, None, None))
        return entries


def several(name: str, found: Sequence[Descriptor]) -> str:
    """Return the words for a name that several manifests have, each by its whole name, its platform or its digest."""
    images = {each.annotations.get(CONTAINERD_NAME): None for each in found}
    platforms = {str(each.platform or "one for no platform"): None for each in found}
    if len(images) == len(found) and None not in images:
        which, advice = [*filter(None, images)], "give the whole name"
    elif len(platforms) == len(found):
        which, advice = [*platforms], "give a platform, or a digest"
    else:
        which, advice = [str(each.digest) for each in found], "give a digest"
    shown = " and ".join(map(shortened, which[:_SHOWN])) + (" and more" if len(found) > _SHOWN else "")
    return f"{shortened(name)!r} names {len(found)} manifests, {shown}: {advice}"


def _entry(raw: msgspec.Raw, names: _Names) -> IndexJsonEntry:
    annotations = names.annotations or {}
    tag, image = annotations.get(REF_NAME), annotations.get(CONTAINERD_NAME)
    return IndexJsonEntry(
        raw,
        names.digest,
        names.media_type,
        tag if isinstance(tag, str) else None,
        canonical_name(image) if isinstance(image, str) else None,
    )


def _descriptor(entry: IndexJsonEntry) -> Descriptor:
    try:
        return Descriptor.parse(bytes(entry.raw))
    except DocumentError as error:
        raise LayoutError(f"index.json has an entry that is not a descriptor: {error}") from error


def _described(raw: msgspec.Raw, descriptor: Descriptor | None, tag: str | None) -> IndexJsonEntry:
    """Return an entry with another tag and, if a descriptor is given, with the descriptor's members."""
    fields: dict[str, Any] = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
    annotations = msgspec.json.decode(fields.pop("annotations", b"null"), type=dict[str, Any] | None) or {}
    if annotations.pop(REF_NAME, None) != tag:
        annotations.pop(CONTAINERD_NAME, None)  # it ends in the tag
    if descriptor is not None:
        fields |= msgspec.json.decode(descriptor.encode(), type=dict[str, msgspec.Raw])
        annotations.update(descriptor.annotations)
        fields.pop("annotations", None)
    if tag is not None:
        annotations[REF_NAME] = tag
    if annotations:
        fields["annotations"] = annotations
    changed = msgspec.Raw(msgspec.json.encode(fields))
    return _entry(changed, msgspec.json.decode(changed, type=_Names))
