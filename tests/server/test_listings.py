from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import quote

import pytest

from lading._wire.header_fields import next_link
from lading.digest import Digest
from lading.media_types import OCI_EMPTY, OCI_INDEX, OCI_MANIFEST
from lading.server.limits import ServerLimits
from lading.stores.layout import Layout
from tests.server.peer import Answer, Peer, descriptor, image_index, image_manifest

TAGS = ["1", "A", "B", "_x", "a", "b"]
SUBJECT = descriptor(b"subject", OCI_MANIFEST)


def pushed(peer: Peer, tags: list[str]) -> Peer:
    digest = peer.push_image("a", tags[0])
    raw = peer.ask("GET", f"/v2/a/manifests/{digest}").body
    query = "&".join(f"tag={tag}" for tag in tags[1:])
    assert peer.push_manifest("a", f"{digest}?{query}", raw).status == 201
    return peer


def follow(peer: Peer, target: str) -> list[list[str]]:
    """Return the items of every page."""
    pages: list[list[str]] = []
    link: str | None = target
    while link is not None:
        answer = peer.ask("GET", link)
        body = answer.json
        pages.append(body["tags"] if "tags" in body else body["repositories"])
        link = next_link(answer.headers.all("Link"))
    return pages


@pytest.mark.spec("end-8a.registry", "end-8a.status", "end-8a.order", "end-8a.body")
def test_end_8a_tags_are_in_ascii_order(peer: Peer) -> None:
    answer = pushed(peer, ["b", "A", "_x", "a", "B", "1"]).ask("GET", "/v2/a/tags/list")
    assert (answer.status, answer.json) == (200, {"name": "a", "tags": TAGS})
    assert "Link" not in answer.headers


@pytest.mark.spec("end-8a.status", "end-8a.body")
def test_end_8a_a_repository_without_tags(peer: Peer) -> None:
    peer.push_blob("a", b"x")
    assert peer.ask("GET", "/v2/a/tags/list").json == {"name": "a", "tags": []}


@pytest.mark.spec(
    "end-8b.registry",
    "end-8b.count",
    "end-8b.link",
    "end-8b.zero",
    "end-8b.zero-without-link",
    "end-8b.order",
    "end-8b.last-is-a-tag-refused",
)
@pytest.mark.parametrize(
    ("query", "tags", "link"),
    [
        ("n=2", TAGS[:2], "</v2/a/tags/list?n=2&last=A>"),
        ("n=2&last=A", TAGS[2:4], "</v2/a/tags/list?n=2&last=_x>"),
        ("n=2&last=_x", TAGS[4:], None),
        ("n=6", TAGS, None),
        ("n=5", TAGS[:5], "</v2/a/tags/list?n=5&last=a>"),
        ("last=_x", TAGS[4:], None),
        ("last=b", [], None),
        ("last=zzz", [], None),
        ("last=Aa", TAGS[2:], None),
        ("last=", TAGS, None),
        ("n=0", [], None),
        ("n=000", [], None),
        ("n=0&last=A", [], None),
        (f"n=1{'0' * 30}", TAGS, None),
        (f"n=1{'0' * 5000}", TAGS, None),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_end_8b_pages(peer: Peer, query: str, tags: list[str], link: str | None) -> None:
    answer = pushed(peer, TAGS).ask("GET", f"/v2/a/tags/list?{query}")
    assert (answer.status, answer.json["tags"]) == (200, tags)
    assert answer["Link"] == (None if link is None else f'{link}; rel="next"')


@pytest.mark.parametrize("query", ["n=-1", "n=", "n=abc", "n=1.5", "n=%2B1", "n=%D9%A3", "n=1&n=2", "last=a&last=b"])
def test_t_62_nonsense_is_400(peer: Peer, query: str) -> None:
    pushed(peer, TAGS)
    for path in ("/v2/a/tags/list", "/v2/_catalog"):
        answer = peer.ask("GET", f"{path}?{query}")
        assert (answer.status, answer.code) == (400, "UNSUPPORTED")


@pytest.mark.spec("end-8b.count", "end-8b.link")
def test_end_8b_pages_are_never_larger_than_the_policy_says(tmp_path: Path) -> None:
    peer = pushed(Peer(tmp_path, ServerLimits(page_items=2)), TAGS)
    for query in ("", "?n=1000"):
        assert follow(peer, f"/v2/a/tags/list{query}") == [TAGS[:2], TAGS[2:4], TAGS[4:]]


def test_end_8a_names_that_are_no_tags_are_left_out(tmp_path: Path) -> None:
    peer = pushed(Peer(tmp_path, ServerLimits(page_items=2)), ["v1", "v2", "v3"])
    layout = Layout.open(tmp_path / "a")
    entry = layout.resolve("v1")
    assert entry is not None
    raw = layout.read_blob(entry)
    assert raw is not None
    layout.push_manifest(raw, entry, ["docker.io/library/a:v0", "", "v2 "])
    assert follow(peer, "/v2/a/tags/list") == [["v1", "v2"], ["v3"]]


@pytest.mark.spec("catalog.registry")
def test_catalog_lists_repositories_in_pages(peer: Peer) -> None:
    names = ["a", "a-b", "a/b", "a/b/blobs", "a/blobs", "a/blobs/blobs", "blobs", "index.json/oci-layout", "z"]
    for name in names:
        peer.push_blob(name, b"x")
    peer.start("never-finished")
    (peer.root / "no-repository").mkdir()
    assert peer.ask("GET", "/v2/_catalog").json == {"repositories": names}
    assert follow(peer, "/v2/_catalog?n=4") == [names[:4], names[4:8], names[8:]]
    assert peer.ask("GET", "/v2/_catalog?n=4")["Link"] == '</v2/_catalog?n=4&last=a/b/blobs>; rel="next"'


def test_catalog_of_a_registry_without_repositories(peer: Peer) -> None:
    assert peer.ask("GET", "/v2/_catalog").json == {"repositories": []}


def test_catalog_can_be_switched_off(tmp_path: Path) -> None:
    peer = Peer(tmp_path, ServerLimits(catalog=False))
    assert (peer.ask("GET", "/v2/_catalog").status, peer.ask("GET", "/v2/_catalog").code) == (404, "UNSUPPORTED")
    assert [found["name"] for found in peer.ask("GET", "/v2/_oci/ext/discover").json["extensions"]] == ["_oci"]


@pytest.mark.spec("discover.registry")
def test_discover_names_the_extensions(peer: Peer) -> None:
    extensions = peer.ask("GET", "/v2/_oci/ext/discover").json["extensions"]
    assert [found["name"] for found in extensions] == ["_oci", "_catalog"]
    for found in extensions:
        assert found["url"].startswith("https://")
        for endpoint in found["endpoints"]:
            assert peer.ask("GET", endpoint).status == 200


def referrers(peer: Peer, query: str = "", subject: str = SUBJECT["digest"]) -> Answer:
    answer = peer.ask("GET", f"/v2/a/referrers/{subject}{query}")
    assert answer.status == 200
    assert answer["Content-Type"] == OCI_INDEX
    body = answer.json
    assert (body["schemaVersion"], body["mediaType"]) == (2, OCI_INDEX)
    return answer


@pytest.mark.spec("end-12a.never-404", "end-12a.empty", "end-12a.status")
def test_end_12a_nothing_refers(peer: Peer) -> None:
    assert referrers(peer).json["manifests"] == []
    peer.push_image("a", "v1")
    assert referrers(peer).json["manifests"] == []


@pytest.mark.spec(
    "end-12a.registry",
    "end-12a.status",
    "end-12a.body",
    "end-12a.content-type",
    "end-12a.artifact-type",
    "end-12a.artifact-type-config",
    "end-12a.artifact-type-index",
    "end-12a.annotations",
)
def test_end_12a_referrers_are_shown_with_type_and_annotations(peer: Peer) -> None:
    peer.push_image("a", "plain")
    image = image_manifest(subject=SUBJECT, annotations={"k": "v"})
    artifact = image_manifest(subject=SUBJECT, artifactType="application/x")
    index = image_index(subject=SUBJECT, artifactType="application/y")
    bare = image_index(subject=SUBJECT, annotations={"k": "w"})
    for raw in (image, artifact, index, bare):
        peer.push_manifest("a", Digest.of(raw), raw, json.loads(raw)["mediaType"])
    assert referrers(peer).json["manifests"] == [
        {**descriptor(image, OCI_MANIFEST), "artifactType": OCI_EMPTY, "annotations": {"k": "v"}},
        {**descriptor(artifact, OCI_MANIFEST), "artifactType": "application/x"},
        {**descriptor(index, OCI_INDEX), "artifactType": "application/y"},
        {**descriptor(bare, OCI_INDEX), "annotations": {"k": "w"}},
    ]


@pytest.mark.spec("upgrade.new")
def test_end_12a_a_pushed_or_deleted_referrer_is_seen_at_once(peer: Peer) -> None:
    peer.push_image("a", "v1")
    one, two = (image_manifest(subject=SUBJECT, annotations={"n": n}) for n in "12")
    for raw in (one, two):
        peer.push_manifest("a", Digest.of(raw), raw)
        assert referrers(peer).json["manifests"][-1]["digest"] == Digest.of(raw)
    peer.ask("DELETE", f"/v2/a/manifests/{Digest.of(one)}")
    assert [found["digest"] for found in referrers(peer).json["manifests"]] == [Digest.of(two)]


def test_end_12a_a_manifest_with_several_tags_is_shown_once(peer: Peer) -> None:
    peer.push_blob("a", b"{}")
    raw = image_manifest(subject=SUBJECT)
    peer.push_manifest("a", f"{Digest.of(raw)}?tag=x&tag=y", raw)
    assert len(referrers(peer).json["manifests"]) == 1


@pytest.mark.spec("end-12b.registry", "end-12b.filter", "end-12b.filters-applied")
def test_end_12b_a_filter_is_applied_and_said_to_be(peer: Peer) -> None:
    peer.push_blob("a", b"{}")
    for kind in ("application/a+json", "application/b"):
        raw = image_manifest(subject=SUBJECT, artifactType=kind)
        peer.push_manifest("a", Digest.of(raw), raw)
    answer = referrers(peer, f"?artifactType={quote('application/a+json', safe='')}")
    assert [found["artifactType"] for found in answer.json["manifests"]] == ["application/a+json"]
    assert answer["OCI-Filters-Applied"] == "artifactType"
    assert "OCI-Filters-Applied" not in referrers(peer).headers
    assert referrers(peer, "?artifactType=none").json["manifests"] == []


def paged_referrers(peer: Peer, query: str = "") -> list[list[str]]:
    """Return the digests of every page."""
    pages: list[list[str]] = []
    link: str | None = f"/v2/a/referrers/{SUBJECT['digest']}{query}"
    while link is not None:
        answer = peer.ask("GET", link)
        assert (answer.status, answer["Content-Type"]) == (200, OCI_INDEX)
        pages.append([found["digest"] for found in answer.json["manifests"]])
        link = next_link(answer.headers.all("Link"))
    return pages


def push_referrers(peer: Peer, *notes: str) -> list[Digest]:
    peer.push_blob("a", b"{}")
    raws = [image_manifest(subject=SUBJECT, artifactType="x/y+z", annotations={"n": note}) for note in notes]
    for raw in raws:
        assert peer.push_manifest("a", Digest.of(raw), raw).status == 201
    return [Digest.of(raw) for raw in raws]


@pytest.mark.spec("end-12a.link", "end-12b.filters-applied")
def test_end_12a_many_referrers_come_in_pages(tmp_path: Path) -> None:
    peer = Peer(tmp_path, ServerLimits(page_items=2))
    digests = push_referrers(peer, *"12345")
    assert paged_referrers(peer) == [digests[:2], digests[2:4], digests[4:]]
    filtered = "?artifactType=x/y%2Bz"
    assert paged_referrers(peer, filtered) == [digests[:2], digests[2:4], digests[4:]]
    second = next_link(referrers(peer, filtered).headers.all("Link"))
    assert second is not None
    assert peer.ask("GET", second)["OCI-Filters-Applied"] == "artifactType"
    full = Peer(tmp_path, ServerLimits(page_items=5))
    assert paged_referrers(full) == [digests]
    assert paged_referrers(full, f"?last={digests[-1]}") == [[]]


@pytest.mark.spec("end-12a.link")
def test_end_12a_a_page_is_no_larger_than_a_manifest_may_be(tmp_path: Path) -> None:
    peer = Peer(tmp_path, ServerLimits(manifest_bytes=2000))
    digests = push_referrers(peer, "x" * 1200, "y" * 1200, "z" * 1200, "small", "smaller")
    assert paged_referrers(peer) == [digests[:1], digests[1:2], digests[2:]]


def test_end_12a_a_page_after_what_was_deleted_is_refused(tmp_path: Path) -> None:
    peer = Peer(tmp_path, ServerLimits(page_items=1))
    first, _ = push_referrers(peer, *"12")
    link = next_link(referrers(peer).headers.all("Link"))
    assert link is not None
    peer.ask("DELETE", f"/v2/a/manifests/{first}")
    assert (peer.ask("GET", link).status, peer.ask("GET", link).code) == (400, "UNSUPPORTED")


@pytest.mark.spec("upgrade.preexisting")
def test_end_12a_what_was_pushed_before_the_api_was_there_is_listed(tmp_path: Path) -> None:
    before = Peer(tmp_path, ServerLimits(referrers=False))
    (digest,) = push_referrers(before, "1")
    entry = before.ask("HEAD", f"/v2/a/manifests/{digest}")
    listed = {"mediaType": OCI_MANIFEST, "digest": digest, "size": int(entry["Content-Length"] or "")}
    tag = SUBJECT["digest"].replace(":", "-")
    assert before.push_manifest("a", tag, image_index(listed), OCI_INDEX).status == 201
    assert before.ask("GET", f"/v2/a/referrers/{SUBJECT['digest']}").status == 404
    assert [found["digest"] for found in referrers(Peer(tmp_path)).json["manifests"]] == [digest]


@pytest.mark.spec("end-12a.invalid")
@pytest.mark.parametrize("digest", ["sha256:x", "v1", "sha256"])
def test_end_12a_a_malformed_digest_is_400(peer: Peer, digest: str) -> None:
    answer = peer.ask("GET", f"/v2/a/referrers/{digest}")
    assert (answer.status, answer.code) == (400, "DIGEST_INVALID")


def test_end_12a_the_referrers_api_can_be_switched_off(tmp_path: Path) -> None:
    answer = Peer(tmp_path, ServerLimits(referrers=False)).ask("GET", f"/v2/a/referrers/{SUBJECT['digest']}")
    assert (answer.status, answer.code) == (404, "UNSUPPORTED")


def test_end_12a_manifests_that_only_an_index_names_are_found(peer: Peer) -> None:
    peer.push_blob("a", b"{}")
    raw = image_manifest(subject=SUBJECT)
    peer.push_blob("a", raw)
    layout = Layout.open(peer.root / "a")
    index = image_index(descriptor(raw, OCI_MANIFEST))
    from lading.descriptor import Descriptor

    layout.push_manifest(index, Descriptor.of(index, OCI_INDEX), ["list"])
    assert [found["digest"] for found in referrers(peer).json["manifests"]] == [Digest.of(raw)]


def test_end_12a_a_damaged_referrer_is_left_out(peer: Peer) -> None:
    peer.push_blob("a", b"{}")
    one, two = (image_manifest(subject=SUBJECT, annotations={"n": n}) for n in "12")
    for raw in (one, two):
        peer.push_manifest("a", Digest.of(raw), raw)
    (peer.root / "a" / "blobs" / "sha256" / Digest.of(one).encoded).write_bytes(b"{}")
    assert [found["digest"] for found in referrers(peer).json["manifests"]] == [Digest.of(two)]
