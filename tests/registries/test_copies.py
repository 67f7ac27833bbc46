"""Copies to, from and within every registry: nothing changes on the way, and nothing moves that need not."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import pytest

from lading import Client, RawResponse, RejectedError, Repository
from tests.support.capabilities import Place
from tests.support.copies import digests_of
from tests.support.corpus import Corpus, corpus

# What the specification leaves to registries, and Distribution refuses.
MAY_BE_REFUSED = frozenset({"sha512", "unknown", "holder"})


@pytest.fixture(scope="session")
def content() -> Corpus:
    return corpus()


@pytest.fixture(scope="session")
def layout(tmp_path_factory: pytest.TempPathFactory, content: Corpus) -> Path:
    path = tmp_path_factory.mktemp("corpus") / "layout"
    content.write_layout(path)
    return path


def name_of(repository: Repository) -> str:
    return f"{repository.registry}/{repository.name}"


def sent(exchanges: list[RawResponse], pattern: str) -> list[str]:
    return [exchange.request for exchange in exchanges if re.match(pattern, exchange.request)]


@pytest.mark.parametrize("tag", corpus().tags)
def test_content_of_every_kind_goes_round_byte_for_byte(
    place: Place, layout: Path, content: Corpus, tag: str, tmp_path: Path
) -> None:
    """From a layout to the registry, to a layout, to an archive, to a layout."""
    repository = place.repository()
    places = [f"oci:{layout}", name_of(repository), f"oci:{tmp_path / 'second'}"]
    places += [f"oci-archive:{tmp_path / 'file.tar'}", f"oci:{tmp_path / 'last'}"]
    if not takes(place, layout, tag):
        assert tag in MAY_BE_REFUSED
        return
    copies = [place.client.copy(f"{source}:{tag}", f"{destination}:{tag}") for source, destination in pairwise(places)]
    root = content.tags[tag]
    assert {(copied.descriptor.media_type, copied.descriptor.digest) for copied in copies} == {
        (root["mediaType"], root["digest"])
    }
    for name in ("second", "last"):
        assert not content.missing_from(tmp_path / name, content.graph(root))


def takes(place: Place, layout: Path, tag: str) -> bool:
    """Say whether a registry takes content; if it does not, the copy says so and leaves no tag."""
    repository = place.repository()
    try:
        place.client.copy(f"oci:{layout}:{tag}", f"{name_of(repository)}:{tag}")
    except RejectedError:
        assert not repository.manifests.exists(tag)
        return False
    return True


def test_our_own_registry_refuses_nothing_of_it(embedded: str, layout: Path, content: Corpus) -> None:
    with Client() as client:
        copied = client.copy_tags(f"oci:{layout}", f"{embedded}/copies/everything")
    assert digests_of(copied) == {each["digest"] for each in content.tags.values()}


@pytest.mark.parametrize("tag", ["image", "nested", "docker-list"])
def test_what_is_there_is_looked_for_and_does_not_move(place: Place, layout: Path, tag: str) -> None:
    destination = f"{name_of(place.repository())}:{tag}"
    first = place.client.copy(f"oci:{layout}:{tag}", destination)
    with place.client.record() as exchanges:
        again = place.client.copy(f"oci:{layout}:{tag}", destination)
    assert (again.moved, again.mounted, again.skipped) == (0, 0, len(first.steps))
    assert len(sent(exchanges, "HEAD ")) == len(exchanges)


@pytest.mark.parametrize("tag", ["image", "nested", "docker-list"])
def test_a_copy_to_a_layout_that_has_it_asks_what_the_tag_stands_for_and_nothing_else(
    place: Place, layout: Path, tag: str, tmp_path: Path
) -> None:
    source = f"{name_of(place.repository())}:{tag}"
    place.client.copy(f"oci:{layout}:{tag}", source)
    first = place.client.copy(source, f"oci:{tmp_path / 'copy'}:{tag}")
    with place.client.record() as exchanges:
        again = place.client.copy(source, f"oci:{tmp_path / 'copy'}:{tag}")
    assert (again.moved, again.skipped) == (0, len(first.steps))
    assert len(exchanges) == len(sent(exchanges, "HEAD .* manifests/")) == 1


@pytest.mark.parametrize("tag", ["image", "nested", "docker-list"])
def test_end_11_between_repositories_of_one_registry_every_blob_is_mounted(
    place: Place, layout: Path, content: Corpus, tag: str
) -> None:
    target = place.repository()
    source, destination = name_of(place.repository()), name_of(target)
    place.client.copy(f"oci:{layout}:{tag}", f"{source}:{tag}")
    blobs = {digest for digest in content.graph(content.tags[tag]) if not is_manifest(content, digest)}
    # zot finds in a repository what another one has: there is nothing to mount.
    missing = {digest for digest in blobs if not target.blobs.exists(digest)}
    assert missing in (blobs, set())
    with place.client.record() as exchanges:
        copied = place.client.copy(f"{source}:{tag}", f"{destination}:{tag}")
    mounts = sent(exchanges, r"POST .* blobs/uploads/\?.*mount=")
    assert copied.mounted == len(mounts) == len(missing)
    assert {exchange.status for exchange in exchanges if exchange.request in mounts} <= {201}
    assert not sent(exchanges, "(PUT|PATCH) .* blobs/uploads/")
    assert not sent(exchanges, "GET .* blobs/")
    assert not place.client.verify(f"{destination}:{tag}").problems


def is_manifest(content: Corpus, digest: str) -> bool:
    return content.blobs[digest].startswith(b'{\n "schemaVersion"')
