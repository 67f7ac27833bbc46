"""Copies between places of every kind, one after another, beside a model that says what each place then has."""

from __future__ import annotations

import itertools
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Literal, TypeVar

import pytest
from hypothesis import Phase, settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from lading import Artifact, Blob, Client, DocumentError, PlatformUnknownError, ReferrerTree, StorageError
from lading._io.blocking import BlockingIO
from lading.server.handler import EmbeddedRegistry
from lading.testing import Sites
from lading.transports.direct import DirectTransport
from tests.support.shelf import Shelf, for_platform

TYPE = "application/vnd.acme.thing"
TAGS = st.sampled_from(["a", "b", "c"])
T = TypeVar("T")
Kind = Literal["registry", "layout", "oci-archive", "docker-archive"]
Change = Literal["push", "attach", "sign", "tag", "delete a tag"]
CHANGES: st.SearchStrategy[Change] = st.sampled_from(["push", "attach", "sign", "tag", "delete a tag"])


@dataclass
class Place:
    """A place, and what it has as the model sees it: what tags stand for, and what refers to a digest.

    `keeps` says that it is added to; an archive is replaced by one that has at least its images.
    """

    kind: Kind
    name: str
    tags: dict[str, str] = field(default_factory=dict)
    referrers: dict[str, set[str]] = field(default_factory=dict)

    @property
    def keeps(self) -> bool:
        return self.kind in {"registry", "layout"}

    def at(self, tag: str) -> str:
        """Return the reference of a tag."""
        return f"{self.name}:acme/app:{tag}" if self.kind == "docker-archive" else f"{self.name}:{tag}"

    def remove(self) -> None:
        """Remove an archive."""
        Path(self.name.partition(":")[2]).unlink()
        self.clear()

    def clear(self) -> None:
        self.tags.clear()
        self.referrers.clear()

    def refer(self, subject: str, referrer: str) -> None:
        self.referrers.setdefault(subject, set()).add(referrer)

    def all_referrers(self, digests: Iterable[str]) -> set[str]:
        """Return what refers to some manifests, what refers to that, and so on."""
        found, waiting = set[str](), list(digests)
        while waiting:
            new = self.referrers.get(waiting.pop(), set()) - found
            found |= new
            waiting += new
        return found


@dataclass
class World:
    """The places below a directory, and what is known of manifests: by digest, which are in an index, and so on.

    All of it can be copied, which is faster than to make it again.
    """

    root: Path
    stock: Place
    places: list[Place]
    artifacts: set[str] = field(default_factory=set)
    children: dict[str, set[str]] = field(default_factory=dict)
    # Images for a platform that is not chosen.
    others: set[str] = field(default_factory=set)
    # What an index has for the platform that is chosen, and what it becomes for that platform.
    chosen: dict[str, str] = field(default_factory=dict)
    rewritten: dict[str, str] = field(default_factory=dict)
    # What an image becomes in a docker-archive.
    rebuilt: dict[str, str] = field(default_factory=dict)

    @classmethod
    def made(cls, root: Path) -> World:
        """Make a world in which every place has something."""
        places = [
            Place("registry", "one.example/acme/app"),
            Place("registry", "one.example/acme/other"),
            Place("registry", "two.example/acme/app"),
            Place("layout", f"oci:{root / 'layout'}"),
            Place("oci-archive", f"oci-archive:{root / 'oci.tar'}"),
            Place("docker-archive", f"docker-archive:{root / 'docker.tar'}"),
        ]
        world = cls(root, Place("layout", f"oci:{root / 'stock'}"), places)
        world.fill(Shelf(root / "stock"))
        for place, tag in zip(places, ("index", "amd64", "artifact", "index", "index", "index"), strict=True):
            one = place.kind == "docker-archive"
            world.copy(world.stock, tag, place, "a", one=one, referrers=True, digest_tags=True)
        return world

    def again(self, root: Path) -> World:
        """Make the same world below another directory."""
        shutil.copytree(self.root, root, dirs_exist_ok=True)
        manifests = (self.artifacts, self.children, self.others, self.chosen, self.rewritten, self.rebuilt)
        world = World(root, *deepcopy((self.stock, self.places, *manifests)))
        for place in (world.stock, *world.places):
            place.name = place.name.replace(str(self.root), str(root))
        return world

    @cached_property
    def client(self) -> Client:
        hosts = ("one.example", "two.example")
        sites = Sites({f"https://{host}": EmbeddedRegistry(self.root / host, BlockingIO()) for host in hosts})
        return Client(transport=DirectTransport(sites), state=False)

    def fill(self, shelf: Shelf) -> None:
        """Put images, an index of two of them, an artifact and what refers to these into the stock."""
        amd64, arm64 = (
            shelf.image(shelf.layer("shared"), shelf.layer(name), platform=f"linux/{name}")
            for name in ("amd64", "arm64")
        )
        index = shelf.index(for_platform(amd64, "linux/amd64"), for_platform(arm64, "linux/arm64"))
        for tag, descriptor in {"amd64": amd64, "arm64": arm64, "index": index}.items():
            shelf.tag(tag, descriptor)
            self.stock.tags[tag] = descriptor["digest"]
        self.children[index["digest"]] = {amd64["digest"], arm64["digest"]}
        self.chosen[index["digest"]] = amd64["digest"]
        self.others.add(arm64["digest"])
        self.push(self.stock, "artifact", "artifact")
        for tag in ("amd64", "index"):
            self.attach(self.stock, tag, "first")
            self.attach(self.stock, tag, "second")
            self.sign(self.stock, tag)

    def push(self, place: Place, tag: str, text: str) -> None:
        artifact = Artifact.pack(TYPE, [Blob(text.encode(), title="text")])
        pushed = self.unless_refused(place, lambda: self.client.push(place.at(tag), artifact))
        if pushed is None:
            place.remove()
            pushed = self.client.push(place.at(tag), artifact)
        self.artifacts.add(pushed.digest)
        if not place.keeps:
            assert place.tags.keys() <= {tag}
            place.clear()
        place.tags[tag] = pushed.digest

    def unless_refused(self, place: Place, write: Callable[[], T]) -> T | None:
        """Write to a place. None stands for an archive that stays as it was, because it would lose an image."""
        try:
            return write()
        except StorageError as error:
            if place.keeps or not place.tags or "the new archive would lack" not in str(error):
                raise
            self.check(place)
            return None

    def attach(self, place: Place, tag: str, text: str) -> None:
        attached = self.client.attach(place.at(tag), Artifact.pack(TYPE, [Blob(text.encode(), title="text")]))
        self.artifacts.add(attached.digest)
        place.refer(place.tags[tag], attached.digest)

    def sign(self, place: Place, tag: str) -> None:
        """Push what cosign would, under the tag that it makes of a digest."""
        digest = place.tags[tag]
        self.push(place, signature_tag(digest), f"signature of {digest}")

    def tag(self, place: Place, old: str, new: str) -> None:
        manifests = self.client.repository(place.name).manifests
        manifests.push(manifests.pull(place.tags[old]), new)
        place.tags[new] = place.tags[old]

    def delete_tag(self, place: Place, tag: str) -> None:
        self.client.repository(place.name).tags.delete(tag)
        del place.tags[tag]

    def copy(
        self,
        source: Place,
        name: str,
        destination: Place,
        tag: str,
        *,
        one: bool,
        referrers: bool,
        digest_tags: bool,
    ) -> None:
        """Copy a manifest, of an index only `one` platform, and then again, which moves nothing."""
        digest = source.tags[name]
        options: dict[str, Any] = {"referrers": referrers, "digest_tags": digest_tags}
        is_image_archive = destination.kind == "docker-archive"
        if one:
            options |= {"platforms": ["linux/amd64"]} | ({} if is_image_archive else {"index": "rewritten"})
        is_other = one and (digest in self.artifacts or digest in self.others)
        if is_other or (is_image_archive and (digest in self.artifacts or (digest in self.children and not one))):
            # An image of another name may be in the way in an archive, too.
            refusals = (PlatformUnknownError,) if is_other else (DocumentError,)
            with pytest.raises(refusals if destination.keeps else (*refusals, StorageError)):
                self.client.copy(source.at(name), destination.at(tag), **options)
            return
        first = self.unless_refused(
            destination, lambda: self.client.copy(source.at(name), destination.at(tag), **options)
        )
        if first is None:
            if source is destination:
                return
            destination.remove()
            first = self.client.copy(source.at(name), destination.at(tag), **options)
        copied = first.descriptor.digest
        assert copied == self._expected(digest, copied, destination, one=one)
        lasts = destination.keeps or source is not destination
        again = self.client.copy(source.at(name), destination.at(tag), **options) if lasts else None
        self._move(source, digest, destination, tag, copied, referrers=referrers, digest_tags=digest_tags)
        self.check(destination)
        if again is not None:
            assert again.descriptor.digest == copied
            assert not destination.keeps or (again.moved, again.mounted, again.bytes) == (0, 0, 0)

    def _expected(self, digest: str, copied: str, destination: Place, *, one: bool) -> str:
        """Return what a copy makes of a manifest; what an index becomes for one platform is only the same each time."""
        if not one or digest not in self.children:
            return digest
        if destination.kind == "docker-archive":
            return self.chosen[digest]
        for index in (digest, copied):
            self.rewritten.setdefault(index, copied)
            self.chosen[index] = self.chosen[digest]
        self.children.setdefault(copied, {self.chosen[digest]})
        return self.rewritten[digest]

    def _move(
        self,
        source: Place,
        digest: str,
        destination: Place,
        tag: str,
        copied: str,
        *,
        referrers: bool,
        digest_tags: bool,
    ) -> None:
        """Have the model's destination get what a copy brings."""
        graph = {copied, *self.children.get(copied, ())}
        subjects = graph & {digest, *self.children.get(digest, ())}
        taken = source.all_referrers(subjects) if referrers else set[str]()
        tags = {signature_tag(each) for each in graph | taken} & source.tags.keys() if digest_tags else set[str]()
        new = Place(destination.kind, destination.name, {each: source.tags[each] for each in tags} | {tag: copied})
        for subject in subjects | taken:
            new.referrers[subject] = source.referrers.get(subject, set()) & taken
        if destination.kind == "docker-archive":
            rebuilt = self.client.verify(destination.at(tag)).descriptor.digest
            assert self.rebuilt.setdefault(copied, rebuilt) == self.rebuilt.setdefault(rebuilt, rebuilt) == rebuilt
            self.others |= {rebuilt} if copied in self.others else set()
            new.tags, new.referrers = {tag: rebuilt}, {}
        if not destination.keeps:
            assert destination.tags.keys() <= new.tags.keys()  # nothing is lost
            destination.clear()
        destination.tags |= new.tags
        for subject, found in new.referrers.items():
            destination.referrers.setdefault(subject, set()).update(found)

    def check(self, place: Place) -> None:
        """Compare a place with the model."""
        for tag, digest in place.tags.items():
            verified = self.client.verify(place.at(tag))
            assert (verified.descriptor.digest, verified.problems) == (digest, ())
            if place.kind != "docker-archive":
                found = set(descendants(self.client.referrers_tree(place.at(tag))))
                assert found == place.all_referrers([digest])
        if place.kind == "registry":
            assert list(self.client.repository(place.name).tags.list()) == sorted(place.tags)


@cache
def template() -> tuple[World, tempfile.TemporaryDirectory[str]]:
    """Make the world that all runs begin with, once; its directory goes with the process."""
    directory = tempfile.TemporaryDirectory()
    return World.made(Path(directory.name)), directory


PICK = st.integers(0, 99)


class Copies(RuleBasedStateMachine):
    """Things done to the places in any order."""

    @initialize()
    def begin(self) -> None:
        self.directory = tempfile.TemporaryDirectory()
        self.world = template()[0].again(Path(self.directory.name))

    def teardown(self) -> None:
        if hasattr(self, "world"):
            self.world.client.close()
            self.directory.cleanup()

    @rule(number=st.integers(0, 4), pick=PICK, tag=TAGS, text=st.sampled_from(["one", "two"]), change=CHANGES)
    def change(self, *, number: int, pick: int, tag: str, text: str, change: Change) -> None:
        """Change a place otherwise than by a copy."""
        place = self.world.places[number]
        if change == "push":
            self.world.push(place, tag, text)
        elif place.tags and place.keeps:
            self._change_tagged(place, picked(place.tags, pick), tag, text, change)
        self.world.check(place)

    def _change_tagged(self, place: Place, old: str, tag: str, text: str, change: Change) -> None:
        if change == "attach":
            self.world.attach(place, old, text)
        elif change == "sign":
            self.world.sign(place, old)
        elif place.kind != "registry":
            return  # tags of layouts are the affair of copies
        elif change == "tag":
            self.world.tag(place, old, tag)
        else:
            self.world.delete_tag(place, old)

    @rule(
        numbers=st.tuples(st.integers(-1, 5), st.integers(0, 5)),
        pick=PICK,
        tag=TAGS,
        one=st.booleans(),
        referrers=st.booleans(),
        digest_tags=st.booleans(),
    )
    def copy(
        self, *, numbers: tuple[int, int], pick: int, tag: str, one: bool, referrers: bool, digest_tags: bool
    ) -> None:
        """Copy between any two places, or from the stock."""
        places = [*self.world.places, self.world.stock]
        source, destination = (places[number] for number in numbers)
        if source.tags:
            name = picked(source.tags, pick)
            self.world.copy(source, name, destination, tag, one=one, referrers=referrers, digest_tags=digest_tags)


def picked(tags: dict[str, str], pick: int) -> str:
    """Return one of the tags, by any number."""
    return sorted(tags)[pick % len(tags)]


def signature_tag(digest: str) -> str:
    """Return the tag that cosign makes of a digest."""
    return f"{digest.replace(':', '-')}.sig"


def descendants(tree: ReferrerTree) -> Iterator[str]:
    for referrer in tree.referrers:
        yield referrer.descriptor.digest
        yield from descendants(referrer)


@pytest.mark.parametrize(("source", "destination"), list(itertools.product(range(6), range(6))))
def test_a_copy_between_any_two_places(tmp_path: Path, source: int, destination: int) -> None:
    world = template()[0].again(tmp_path)
    for one in (False, True):
        world.copy(world.places[source], "a", world.places[destination], "a", one=one, referrers=True, digest_tags=True)
    world.client.close()


TestCopies = Copies.TestCase
# A run of few steps is understood as it is, and making it shorter would take longer than a test may.
TestCopies.settings = settings(
    settings.get_profile("lading"),
    max_examples=20,
    stateful_step_count=15,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
