"""The official conformance program of the distribution specification, run against `lading serve`."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from xml.etree.ElementTree import parse as parse_xml

import pytest

from lading.server.limits import ServerLimits
from lading.server.serving import running
from tests.cli.process import command, environment
from tests.support.programs import require

# Whatever a version of the specification leaves out is switched on all the same.
EVERYTHING = {
    "OCI_API_BLOBS_DIGEST_HEADER": "true",
    "OCI_API_BLOBS_UPLOAD_CANCEL": "true",
    "OCI_API_MANIFESTS_DIGEST_HEADER": "true",
    "OCI_API_MANIFESTS_TAG_PARAM": "true",
}
SPARSE = {"OCI_DATA_SPARSE": "true"}

# What may be skipped, and why.
EXPLAINED = {
    "range requests/range 500-0": "RFC 9110, section 14.1.2: a range that ends before it begins is none, and is ignored"
}


@dataclass(frozen=True)
class Case:
    name: str
    status: str
    text: str

    @property
    def is_explained(self) -> bool:
        return any(self.name.endswith(end) for end in EXPLAINED)


@contextmanager
def served_by_the_command(directory: Path) -> Generator[str]:
    """Run `lading serve` as a user runs it."""
    serve = command("serve", "--quiet", "--json", "--port", "0", str(directory))
    with subprocess.Popen(serve, env=environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            yield json.loads(process.stdout.readline())["registry"]
        finally:
            process.terminate()


@contextmanager
def served_sparse(directory: Path) -> Generator[str]:
    """Run a registry that takes manifests whose content is elsewhere, which the specification leaves to registries."""
    with running(directory, limits=ServerLimits(sparse=True)) as registry:
        yield registry.authority


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(("1.1", False), id="1.1"),
        pytest.param(("dev", False), id="dev"),
        pytest.param(("dev", True), id="dev, sparse"),
    ],
)
def cases(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[Case]:
    """Run the program and read its report."""
    program = require("oci-conformance")
    version, sparse = request.param
    directory = tmp_path_factory.mktemp("conformance")
    served = served_sparse if sparse else served_by_the_command
    with served(directory / "registry") as address:
        settings = {
            "PATH": os.environ["PATH"],
            "HOME": str(directory),
            "OCI_REGISTRY": address,
            "OCI_TLS": "disabled",
            "OCI_VERSION": version,
            "OCI_RESULTS_DIR": str(directory),
            **EVERYTHING,
            **(SPARSE if sparse else {}),
        }
        subprocess.run([program], cwd=directory, env=settings, timeout=100, capture_output=True, check=False)
    report = parse_xml(directory / "junit.xml")  # noqa: S314  # written by a program that the tester chose
    return [
        Case(found.attrib["name"], found.attrib["status"], found.findtext("system-out") or "")
        for found in report.iter("testcase")
    ]


@pytest.mark.spec("categories.claimed")
def test_nothing_fails(cases: list[Case]) -> None:
    assert [case for case in cases if case.status not in {"passed", "skipped"}] == []


def test_every_skip_is_explained(cases: list[Case]) -> None:
    assert [case for case in cases if case.status != "passed" and not case.is_explained] == []


def test_every_explanation_is_of_a_skip(cases: list[Case]) -> None:
    explained = {end for end in EXPLAINED for case in cases if case.status == "skipped" and case.name.endswith(end)}
    assert explained == set(EXPLAINED)


def test_all_of_the_program_was_run(cases: list[Case]) -> None:
    passed = sum(case.status == "passed" for case in cases)
    assert passed > 750
    for group in ("sha512 blobs", "referrers", "tag-param", "chunked out-of-order", "mount anonymous", "post cancel"):
        assert any(group in case.name for case in cases), group
