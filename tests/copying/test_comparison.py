"""Copies between registries of what the destination has: HEAD is compared with HEAD, and nothing is pulled."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from lading import Client, Copied, DigestMismatchError, DockerManifestList, Headers, LadingError, Request, Response
from lading._io.base import RequestBody
from lading.testing import Corrupt, Onward, Refuse, Say, Sites, TestRegistry, direct
from lading.transports.direct import DirectTransport
from tests.support.corpus import Corpus
from tests.support.flows import MakeClient
from tests.support.pull_limits import PullLimit

FROM, TO = "from.example/acme/app", "to.example/acme/copy"
ENDS = ("from", "to")
TYPES = ("manifest.v1+json", "index.v1+json", "manifest.v2+json", "manifest.list.v2+json")
MANIFESTS = "* /v2/*/manifests/*"


class Ends:
    """Two registries, the first of which has the corpus."""

    def __init__(self, directory: Path, layout: Path) -> None:
        urls = [f"https://{name}.example" for name in ENDS]
        self.source, self.destination = (direct(directory / url[8:], url=url)[0] for url in urls)
        self.transport = DirectTransport(Sites(dict(zip(urls, (self.source, self.destination), strict=True))))
        with Client(transport=self.transport, state=False) as client:
            client.copy_tags(f"oci:{layout}", FROM)
        self.forget()

    def forget(self) -> None:
        """Forget the requests so far."""
        self.source.requests.clear()
        self.destination.requests.clear()

    def fill(self, *tags: str, **options: Any) -> None:
        """Copy tags with a client of their own."""
        with Client(transport=self.transport, state=False) as client:
            for tag in tags:
                client.copy(f"{FROM}:{tag}", f"{TO}:{tag}", **options)
        self.forget()


@pytest.fixture
def ends(tmp_path: Path, layout: Path) -> Ends:
    return Ends(tmp_path, layout)


def kinds(registry: TestRegistry) -> Counter[str]:
    """Count the requests of a registry by method and kind of content."""
    return Counter(f"{each.method} {each.target.split('/')[-2]}" for each in registry.requests)


def pulls(registry: TestRegistry) -> int:
    return kinds(registry)["GET manifests"]


@pytest.mark.parametrize("tag", ["image", "nested", "docker-list", "data"])
async def test_an_unchanged_tag_costs_one_head_at_the_source(
    make_client: MakeClient, ends: Ends, content: Corpus, tag: str
) -> None:
    ends.fill(tag)
    copied = await make_client(ends.transport).copy(f"{FROM}:{tag}", f"{TO}:{tag}")
    assert (copied.descriptor.digest, copied.moved, copied.mounted) == (content.tags[tag]["digest"], 0, 0)
    assert [each.method for each in ends.source.requests] == ["HEAD"]
    there = kinds(ends.destination)
    manifests = sum(step.descriptor.media_type.endswith(TYPES) for step in copied.steps)
    # One HEAD for the tag, one GET for each manifest, and one HEAD for each blob.
    assert there == {
        "HEAD manifests": 1,
        "GET manifests": manifests,
        "HEAD blobs": len(copied.steps) - manifests,
    }


class WithoutDigest:
    """A fault: the digest of a manifest is not told."""

    async def answer(self, request: Request, content: RequestBody, onward: Onward, /) -> Response:
        response = await onward.handle(request, content)
        fields = [field for field in response.headers if field[0].lower() != "docker-content-digest"]
        return replace(response, headers=Headers(fields))


def test_an_unchanged_tag_costs_one_head_for_the_blocking_client_too(ends: Ends) -> None:
    ends.fill("nested")
    ends.fill("nested")
    with Client(transport=ends.transport, state=False) as client:
        assert client.copy(f"{FROM}:nested", f"{TO}:nested").moved == 0
    assert [each.method for each in ends.source.requests] == ["HEAD"]


async def test_unchanged_tags_cost_no_pull_when_all_are_copied(make_client: MakeClient, ends: Ends) -> None:
    client = make_client(ends.transport)
    first = await client.copy_tags(FROM, TO)
    ends.forget()
    again = await client.copy_tags(FROM, TO)
    assert list(again) == list(first)
    assert all(isinstance(each, Copied) and each.moved == 0 for each in again.values())
    assert kinds(ends.source) == {"HEAD manifests": len(first), "GET tags": 1}


async def test_a_first_copy_asks_no_more_than_before(make_client: MakeClient, ends: Ends) -> None:
    """The look for the tag is the one that decides whether to push: it comes first, and not twice."""
    copied = await make_client(ends.transport).copy(f"{FROM}:nested", f"{TO}:nested")
    assert kinds(ends.source)["HEAD manifests"] == 0
    heads = [each.target for each in ends.destination.requests if each.method == "HEAD"]
    assert len(heads) == len(set(heads)) == len(copied.steps)
    assert pulls(ends.destination) == 0


async def test_a_changed_tag_is_pulled_once(make_client: MakeClient, ends: Ends, content: Corpus) -> None:
    ends.fill("image")
    copied = await make_client(ends.transport).copy(f"{FROM}:data", f"{TO}:image")
    assert copied.descriptor.digest == content.tags["data"]["digest"]
    assert kinds(ends.source)["HEAD manifests"] == 1
    assert pulls(ends.source) == 1
    assert pulls(ends.destination) == 0


async def test_what_an_equal_index_lacks_at_the_destination_is_pulled_by_digest(
    make_client: MakeClient, ends: Ends, content: Corpus
) -> None:
    """An index may be there without its images, as after a copy of one platform with `index="sparse"`."""
    ends.fill("docker-list")
    client = make_client(ends.transport)
    index = await client.repository(TO).manifests.pull("docker-list")
    lost = str(index.expect(DockerManifestList).document.manifests[0].digest)
    await client.repository(TO).manifests.delete(lost)
    ends.forget()
    copied = await client.copy(f"{FROM}:docker-list", f"{TO}:docker-list")
    assert [step.descriptor.digest for step in copied.steps if step.action == "push"] == [lost]
    asked = [(each.method, each.target.split("/")[-1]) for each in ends.source.requests]
    assert asked == [("HEAD", "docker-list"), ("GET", lost)]
    assert (await client.verify(f"{TO}:docker-list")).descriptor.digest == content.tags["docker-list"]["digest"]


async def test_a_blob_that_an_equal_manifest_lacks_is_pushed_again(make_client: MakeClient, ends: Ends) -> None:
    ends.fill("image")
    client = make_client(ends.transport)
    steps = (await client.copy(f"{FROM}:image", f"{TO}:image")).steps
    lost = next(step for step in steps if ".layer." in step.descriptor.media_type)
    await client.repository(TO).blobs.delete(lost.descriptor.digest)
    ends.forget()
    copied = await client.copy(f"{FROM}:image", f"{TO}:image")
    assert [step.descriptor.digest for step in copied.steps if step.action == "push"] == [lost.descriptor.digest]
    assert pulls(ends.source) == 0


@pytest.mark.parametrize("fault", [Refuse("DENIED"), Refuse("MANIFEST_UNKNOWN"), Corrupt(5), Say(500)])
async def test_the_source_is_read_where_the_destination_only_says_that_it_has_a_manifest(
    make_client: MakeClient, ends: Ends, content: Corpus, fault: Any
) -> None:
    ends.fill("nested")
    ends.destination.order(fault, "GET /v2/*/manifests/*")
    copied = await make_client(ends.transport).copy(f"{FROM}:nested", f"{TO}:nested")
    assert copied.descriptor.digest == content.tags["nested"]["digest"]
    assert pulls(ends.source) > 0
    # Content that is lost or damaged there is written again.
    is_lost = isinstance(fault, Corrupt) or fault == Refuse("MANIFEST_UNKNOWN")
    assert bool(kinds(ends.destination)["PUT manifests"]) is is_lost


@pytest.mark.parametrize("end", ENDS)
async def test_without_a_digest_in_the_response_to_head_a_manifest_is_pulled_once(
    make_client: MakeClient, ends: Ends, end: str
) -> None:
    ends.fill("nested")
    registry = ends.source if end == "from" else ends.destination
    registry.order(WithoutDigest(), "HEAD /v2/*/manifests/*")
    copied = await make_client(ends.transport).copy(f"{FROM}:nested", f"{TO}:nested")
    assert copied.moved == 0
    named = [each.method for each in registry.requests if each.target.endswith("/manifests/nested")]
    assert named == ["HEAD", "GET"]
    assert pulls(ends.source) == (end == "from")


@pytest.mark.parametrize("options", [{"referrers": True}, {"digest_tags": True}, {"dry_run": True}])
async def test_options_that_ask_the_source_for_more_pull_nothing_that_is_there(
    make_client: MakeClient, ends: Ends, options: dict[str, Any]
) -> None:
    ends.fill("image", "nested", **{key: value for key, value in options.items() if key != "dry_run"})
    client = make_client(ends.transport)
    for tag in ("image", "nested"):
        assert (await client.copy(f"{FROM}:{tag}", f"{TO}:{tag}", **options)).moved == 0
    assert {kind for kind in kinds(ends.source) if kind.startswith("GET")} <= {"GET referrers"}


async def test_of_one_platform_only_the_index_is_pulled(make_client: MakeClient, ends: Ends) -> None:
    """The tag names the image there, and the index here: no HEAD can tell, so none is sent."""
    ends.fill("docker-list", platforms=["linux/amd64"])
    copied = await make_client(ends.transport).copy(
        f"{FROM}:docker-list", f"{TO}:docker-list", platforms=["linux/amd64"]
    )
    assert copied.moved == 0
    assert kinds(ends.source)["HEAD manifests"] == 0
    assert pulls(ends.source) == 1
    assert pulls(ends.destination) == 1


async def test_a_digest_is_compared_as_a_tag_is(make_client: MakeClient, ends: Ends, content: Corpus) -> None:
    ends.fill("nested")
    digest = content.tags["nested"]["digest"]
    client = make_client(ends.transport)
    for source, destination in [
        (f"{FROM}@{digest}", f"{TO}:nested"),
        (f"{FROM}@{digest}", f"{TO}@{digest}"),
        (f"{FROM}:nested", f"{TO}@{digest}"),
    ]:
        ends.forget()
        assert (await client.copy(source, destination)).moved == 0
        assert [each.method for each in ends.source.requests] == ["HEAD"]


async def test_another_digest_than_the_expected_one_is_refused_without_a_pull(
    make_client: MakeClient, ends: Ends, content: Corpus
) -> None:
    ends.fill("nested")
    client = make_client(ends.transport)
    with pytest.raises(DigestMismatchError, match="nothing was copied"):
        await client.copy(f"{FROM}:nested", f"{TO}:nested@{content.tags['image']['digest']}")
    assert pulls(ends.source) == 0


async def test_a_destination_that_counts_pulls_is_not_asked_for_the_sake_of_a_source_that_does_not(
    make_client: MakeClient, ends: Ends
) -> None:
    ends.fill("nested")
    limit = PullLimit()
    ends.destination.order(limit, MANIFESTS)
    copied = await make_client(ends.transport).copy(f"{FROM}:nested", f"{TO}:nested")
    assert (copied.moved, limit.pulled) == (0, 0)
    assert pulls(ends.source) > 0


async def test_if_both_count_pulls_the_source_is_spared(make_client: MakeClient, ends: Ends) -> None:
    ends.fill("nested")
    source, destination = PullLimit(), PullLimit()
    ends.source.order(source, MANIFESTS)
    ends.destination.order(destination, MANIFESTS)
    assert (await make_client(ends.transport).copy(f"{FROM}:nested", f"{TO}:nested")).moved == 0
    assert source.pulled == 0 < destination.pulled


async def test_a_destination_that_refuses_to_look_is_an_error_before_a_pull(
    make_client: MakeClient, ends: Ends
) -> None:
    ends.destination.order(Refuse("DENIED"), "HEAD /v2/*/manifests/*")
    with pytest.raises(LadingError) as caught:
        await make_client(ends.transport).copy(f"{FROM}:nested", f"{TO}:nested")
    assert caught.value.side == "destination"
    assert not ends.source.requests
