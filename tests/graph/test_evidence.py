"""SBOMs, provenance and signatures, found in each of the places where tools keep them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from lading import (
    Artifact,
    AsyncClient,
    Blob,
    Descriptor,
    Digest,
    DocumentError,
    Event,
    Evidence,
    ImageIndex,
    ImageManifest,
    LimitExceededError,
    Manifest,
    NotFoundError,
    Platform,
    Warned,
)
from lading._core.graph import evidence, tolerant_reader
from lading._core.graph.evidence_kinds import kind_of, predicate_type_of
from lading.media_types import OCI_CONFIG, OCI_EMPTY
from tests.support.transports import Recording

NAME = "localhost:5000/acme/app"
APP = "application/vnd.acme.app.v1"
SPDX = "application/spdx+json"
NOTATION = "application/vnd.cncf.notary.signature"
BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
IN_TOTO = "application/vnd.in-toto+json"
DSSE = "application/vnd.dsse.envelope.v1+json"
SIMPLE = "application/vnd.dev.cosign.simplesigning.v1+json"
SLSA = "https://slsa.dev/provenance/v1"
SPDX_DOCUMENT = "https://spdx.dev/Document"

Told = tuple[str, str, str | None, bytes | None]


async def told(client: AsyncClient, found: tuple[Evidence, ...], platform: bool = False) -> list[Any]:
    """Return of each piece its kind, where it was found, its predicate type and its content."""
    blobs = client.repository(NAME).blobs
    lines: list[Any] = []
    for each in found:
        content = None if each.content is None else await blobs.pull(each.content)
        about = (str(each.subject.platform),) if platform else ()
        lines.append((*about, each.kind, each.found_in, each.predicate_type, content))
    return lines


async def image(client: AsyncClient, text: str = "app", *tags: str) -> Descriptor:
    blobs = client.repository(NAME).blobs
    config = await blobs.push(f'{{"for": "{text}"}}'.encode(), media_type=OCI_CONFIG)
    layer = await blobs.push(text.encode())
    return await client.repository(NAME).manifests.push(
        Manifest.of(ImageManifest(config=config, layers=(layer,))), tags
    )


async def attach(
    client: AsyncClient, artifact_type: str, text: bytes, media_type: str, annotations: Mapping[str, str] | None = None
) -> Descriptor:
    artifact = Artifact.pack(artifact_type, [Blob(text, media_type)], annotations=annotations)
    return await client.attach(f"{NAME}:1", artifact)


async def keep_under_tag(client: AsyncClient, subject: Descriptor, suffix: str, *layers: Blob) -> None:
    """Push what cosign does: an image whose tag is made of the digest of the subject."""
    config = Blob(b"{}", OCI_CONFIG)
    tag = f"{subject.digest.replace(':', '-')}.{suffix}"
    await client.push(f"{NAME}:{tag}", Artifact.pack(None, layers, config=config))


async def push_index(client: AsyncClient, attested: Descriptor, plain: Descriptor, tag: str = "multi") -> Descriptor:
    """Push what BuildKit does: two images, and what attests to the first of them beside it."""
    statements = [
        Blob(b"spdx", IN_TOTO, annotations={"in-toto.io/predicate-type": SPDX_DOCUMENT}),
        Blob(b"slsa", IN_TOTO, annotations={"in-toto.io/predicate-type": SLSA}),
    ]
    about = {"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": attested.digest}
    attestation = await client.push(NAME, Artifact.pack(None, statements, config=Blob(b"{}", OCI_CONFIG)))
    entries = (
        entry(attested, Platform("amd64", "linux")),
        entry(plain, Platform("arm64", "linux")),
        entry(attestation, Platform("unknown", "unknown"), about),
    )
    return await client.repository(NAME).manifests.push(Manifest.of(ImageIndex(manifests=entries)), tag)


def entry(of: Descriptor, platform: Platform, annotations: Mapping[str, str] | None = None) -> Descriptor:
    return Descriptor(of.media_type, of.digest, of.size, platform=platform, annotations=dict(annotations or {}))


async def test_referrers_of_every_tool(client: AsyncClient) -> None:
    await image(client, "app", "1")
    await attach(client, SPDX, b"spdx", SPDX)
    await attach(client, NOTATION, b"jws", "application/jose+json")
    await attach(client, BUNDLE, b"signed", BUNDLE, {"dev.sigstore.bundle.content": "message-signature"})
    attested = {"dev.sigstore.bundle.content": "dsse-envelope", "dev.sigstore.bundle.predicateType": SLSA}
    await attach(client, BUNDLE, b"attested", BUNDLE, attested)
    await attach(client, BUNDLE, b"bundle", BUNDLE)
    await attach(client, "application/vnd.acme.readme", b"words", "text/markdown")
    found = await client.evidence(f"{NAME}:1")
    assert sorted(await told(client, found), key=str) == [
        ("attestation", "referrers", None, b"bundle"),
        ("other", "referrers", None, b"words"),
        ("provenance", "referrers", SLSA, b"attested"),
        ("sbom", "referrers", None, b"spdx"),
        ("signature", "referrers", None, b"jws"),
        ("signature", "referrers", None, b"signed"),
    ]
    assert {each.tag for each in found} == {None}


async def test_tags_that_cosign_makes(client: AsyncClient) -> None:
    subject = await image(client, "app", "1")
    await keep_under_tag(client, subject, "sig", Blob(b"first", SIMPLE), Blob(b"second", SIMPLE))
    statement = Blob(b"slsa", DSSE, annotations={"predicateType": "https://slsa.dev/provenance/v0.2"})
    await keep_under_tag(client, subject, "att", statement, Blob(b"silent", DSSE))
    await keep_under_tag(client, subject, "sbom", Blob(b"bill", "application/octet-stream"))
    found = await client.evidence(f"{NAME}@{subject.digest}")
    assert await told(client, found) == [
        ("signature", "tag", None, b"first"),
        ("signature", "tag", None, b"second"),
        ("provenance", "tag", "https://slsa.dev/provenance/v0.2", b"slsa"),
        ("attestation", "tag", None, b"silent"),
        ("sbom", "tag", None, b"bill"),
    ]
    assert [each.tag for each in found][:1] == [f"sha256-{subject.digest.encoded}.sig"]
    assert {each.subject.digest for each in found} == {subject.digest}


async def test_attestations_of_buildkit_and_evidence_of_each_entry(client: AsyncClient) -> None:
    amd, arm = await image(client, "amd"), await image(client, "arm")
    index = await push_index(client, amd, arm)
    await client.attach(f"{NAME}:multi", Artifact.pack(NOTATION, [Blob(b"for all", "application/jose+json")]))
    await client.attach(f"{NAME}@{arm.digest}", Artifact.pack(SPDX, [Blob(b"for arm", SPDX)]))
    assert await told(client, await client.evidence(f"{NAME}:multi"), platform=True) == [
        ("None", "signature", "referrers", None, b"for all"),
        ("linux/amd64", "sbom", "index", SPDX_DOCUMENT, b"spdx"),
        ("linux/amd64", "provenance", "index", SLSA, b"slsa"),
        ("linux/arm64", "sbom", "referrers", None, b"for arm"),
    ]
    of_arm = await client.evidence(f"{NAME}:multi", platform="linux/arm64")
    assert await told(client, of_arm, platform=True) == [("linux/arm64", "sbom", "referrers", None, b"for arm")]
    of_amd = await client.evidence(f"{NAME}:multi", platform="linux/amd64")
    assert [each.kind for each in of_amd] == ["sbom", "provenance"]
    with pytest.raises(DocumentError, match="no manifest for"):
        await client.evidence(f"{NAME}:multi", platform="windows/amd64")
    outer = Manifest.of(ImageIndex(manifests=(Descriptor(index.media_type, index.digest, index.size),)))
    await client.repository(NAME).manifests.push(outer, "outer")
    assert len(await client.evidence(f"{NAME}:outer")) == 4


async def test_an_image_for_two_platforms_has_its_evidence_for_both(client: AsyncClient, wire: Recording) -> None:
    """And an attestation of two images with one digest is that of each."""
    one, other = await image(client, "one"), await image(client, "other")
    statement = Blob(b"spdx", IN_TOTO, annotations={"in-toto.io/predicate-type": SPDX_DOCUMENT})
    note = await client.push(NAME, Artifact.pack(None, [statement], config=Blob(b"{}", OCI_CONFIG)))
    entries = (
        entry(one, Platform("amd64", "linux")),
        entry(one, Platform("arm64", "linux")),
        entry(one, Platform("arm64", "linux"), {"same": "again"}),
        entry(other, Platform("s390x", "linux")),
        *(
            entry(
                note,
                Platform("unknown", "unknown"),
                {"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": about},
            )
            for about in (one.digest, other.digest)
        ),
    )
    await client.repository(NAME).manifests.push(Manifest.of(ImageIndex(manifests=entries)), "multi")
    await client.attach(f"{NAME}@{one.digest}", Artifact.pack(SPDX, [Blob(b"referrer", SPDX)]))
    attested = ("sbom", "index", SPDX_DOCUMENT, b"spdx")
    attached = ("sbom", "referrers", None, b"referrer")
    wire.requests.clear()
    found = await client.evidence(f"{NAME}:multi")
    assert len([line for line in wire.lines if "/referrers/" in line]) == 3  # of the index and of each image
    assert await told(client, found, platform=True) == [
        ("linux/amd64", *attached),
        ("linux/amd64", *attested),
        ("linux/arm64", *attached),
        ("linux/arm64", *attested),
        ("linux/s390x", *attested),
    ]
    of_arm = await client.evidence(f"{NAME}:multi", platform="linux/arm64")
    assert {str(each.subject.platform) for each in of_arm} == {"linux/arm64"}


async def test_evidence_for_too_many_entries_is_refused(client: AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    amd = await image(client, "amd")
    await push_index(client, amd, amd)
    monkeypatch.setattr(evidence, "_MOST_EVIDENCE", 3)
    with pytest.raises(LimitExceededError, match="more evidence than 3 for all entries: choose a platform"):
        await client.evidence(f"{NAME}:multi")
    assert len(await client.evidence(f"{NAME}:multi", platform="linux/arm64")) == 2


async def test_only_manifests_are_pulled(client: AsyncClient, wire: Recording) -> None:
    await push_index(client, await image(client, "amd"), await image(client, "arm"))
    wire.requests.clear()
    assert len(await client.evidence(f"{NAME}:multi")) == 2
    pulled = [line for line in wire.lines if line.startswith("GET") and "/referrers/" not in line]
    assert len(pulled) == 2  # the index, and what attests
    assert not [line for line in wire.lines if "/blobs/" in line]


async def test_a_manifest_without_evidence(client: AsyncClient) -> None:
    await image(client, "app", "1")
    assert await client.evidence(f"{NAME}:1") == ()
    with pytest.raises(NotFoundError):
        await client.evidence(f"{NAME}:absent")


async def test_annotations_alone_are_evidence_without_content(client: AsyncClient) -> None:
    await image(client, "app", "1")
    attached = await client.attach(f"{NAME}:1", Artifact.pack(NOTATION, [], annotations={"a": "b"}))
    [found] = await client.evidence(f"{NAME}:1")
    assert (found.kind, found.content, found.manifest.digest) == ("signature", None, attached.digest)
    index = ImageIndex(artifact_type=SPDX, manifests=(), subject=await image(client, "app"))
    await client.repository(NAME).manifests.push(Manifest.of(index))
    assert sorted(each.kind for each in await client.evidence(f"{NAME}:1")) == ["other", "signature"]


async def test_what_cannot_be_read_is_passed_over_with_a_warning(
    client: AsyncClient, root: Path, events: list[Event]
) -> None:
    subject = await image(client, "app", "1")
    await keep_under_tag(client, subject, "sig", Blob(b"signed", SIMPLE))
    wrong = b'{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{},"layers":[]}'
    tag = f"sha256-{subject.digest.encoded}.att"
    layout = root / "acme/app"
    blob = layout / "blobs/sha256" / Digest.of(wrong).encoded
    blob.write_bytes(wrong)
    index = (layout / "index.json").read_text()
    kind = "application/vnd.oci.image.manifest.v1+json"
    more = (
        f'{{"mediaType":"{kind}","digest":"{Digest.of(wrong)}","size":{len(wrong)},'
        f'"annotations":{{"org.opencontainers.image.ref.name":"{tag}"}}}},'
    )
    (layout / "index.json").write_text(index.replace('"manifests":[', f'"manifests":[{more}', 1))
    assert [each.kind for each in await client.evidence(f"{NAME}:1")] == ["signature"]
    assert next(event.text for event in events if isinstance(event, Warned)).startswith("skipped sha256:")


async def test_more_than_can_be_looked_at_is_refused(client: AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    subject = await image(client, "app", "1")
    await push_index(client, subject, await image(client, "other"))
    await keep_under_tag(client, subject, "sig", Blob(b"signed", SIMPLE))
    monkeypatch.setattr(evidence, "MOST_MANIFESTS", 2)
    with pytest.raises(LimitExceededError, match="more than 2 entries: choose a platform"):
        await client.evidence(f"{NAME}:multi")
    assert await client.evidence(f"{NAME}:multi", platform="linux/amd64")
    monkeypatch.setattr(tolerant_reader, "MOST_BYTES", 100)
    with pytest.raises(LimitExceededError, match="more than 100 bytes"):
        await client.evidence(f"{NAME}:1")


async def test_evidence_is_found_in_a_layout(client: AsyncClient, tmp_path: Path) -> None:
    amd = await image(client, "amd")
    await push_index(client, amd, await image(client, "arm"))
    await keep_under_tag(client, amd, "sig", Blob(b"signed", SIMPLE))
    await client.attach(f"{NAME}:multi", Artifact.pack(SPDX, [Blob(b"for all", SPDX)]))
    await client.copy(f"{NAME}:multi", f"oci:{tmp_path}/layout:multi", referrers=True, digest_tags=True)
    found = await client.evidence(f"{NAME}:multi")
    assert await client.evidence(f"oci:{tmp_path}/layout:multi") == found
    assert [each.kind for each in found] == ["sbom", "signature", "sbom", "provenance"]


def described(media_type: str, annotations: Mapping[str, str] | None = None) -> Descriptor:
    return Descriptor.of(b"", media_type, annotations=annotations)


@pytest.mark.parametrize(
    ("artifact_type", "layer", "kind"),
    [
        (None, SIMPLE, "signature"),
        ("application/vnd.dev.cosign.artifact.sig.v1+json", "application/octet-stream", "signature"),
        ("application/vnd.dev.cosign.artifact.sbom.v1+json", "text/plain", "sbom"),
        (None, "text/spdx", "sbom"),
        (None, "application/vnd.cyclonedx+json", "sbom"),
        (None, "application/vnd.syft+json", "sbom"),
        (None, "application/vnd.in-toto.spdx+dsse", "sbom"),
        (None, "application/vnd.in-toto.provenance+dsse", "provenance"),
        (None, IN_TOTO, "attestation"),
        (None, DSSE, "attestation"),
        ("application/vnd.dev.sigstore.bundle+json;version=0.2", "application/octet-stream", "attestation"),
        ("application/vnd.acme.design", "text/markdown", "other"),
        ("application/vnd.acme.bigspdxlike", "text/markdown", "other"),
    ],
)
def test_media_types_tell_the_kind(artifact_type: str | None, layer: str, kind: str) -> None:
    manifest = ImageManifest(artifact_type=artifact_type, config=described(OCI_EMPTY), layers=())
    assert kind_of(manifest, described(layer), None) == kind


@pytest.mark.parametrize(
    ("predicate_type", "kind"),
    [
        (SLSA, "provenance"),
        ("https://slsa.dev/verification_summary/v1", "attestation"),
        ("https://cyclonedx.org/bom/v1.4", "sbom"),
        ("https://sigstore.dev/cosign/sign/v1", "signature"),
        ("https://cosign.sigstore.dev/attestation/vuln/v1", "attestation"),
    ],
)
def test_a_predicate_type_tells_more_than_a_media_type(predicate_type: str, kind: str) -> None:
    manifest = ImageManifest(
        artifact_type=BUNDLE,
        config=described(OCI_EMPTY),
        layers=(),
        annotations={"dev.sigstore.bundle.predicateType": predicate_type},
    )
    layer = described(BUNDLE)
    assert predicate_type_of(manifest, layer) == predicate_type
    assert kind_of(manifest, layer, predicate_type) == kind
