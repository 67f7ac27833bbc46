"""The gate's table (threats: one policy for every URL that a server names), row by row."""

from __future__ import annotations

import ipaddress

import pytest

from lading import ForbiddenRedirectError, Gate, Origin, ProtocolError
from lading._core.exchange.registrable_domains import same_domain
from lading._core.exchange.url_gate import Purpose, admit, is_trusted_realm
from lading._wire.ip_addresses import is_public as is_public_address
from lading._wire.private_addresses import is_private

REGISTRY = Origin("https", "registry.example.com", 443)
PLAIN = Origin("http", "localhost", 5000)


def passage(
    purpose: Purpose, url: str, *, gate: Gate | None = None, registry: Origin = REGISTRY, public: bool = True
) -> tuple[bool, bool]:
    """Return whether secrets may go there, and whether the address has to be public."""
    found = admit(gate or Gate(), purpose, registry, (registry, "/v2/a/b"), url, registry_is_public=public)
    return found.secrets, found.public_only


LEAVING = [Purpose.PULL, Purpose.PUSH, Purpose.UPLOAD]


@pytest.mark.parametrize("purpose", list(Purpose))
@pytest.mark.parametrize(
    "url", ["/x", "x", "?y", "https://registry.example.com/x", "https://REGISTRY.example.com:443/x"]
)
def test_the_own_origin_is_always_admitted_with_secrets(purpose: Purpose, url: str) -> None:
    assert passage(purpose, url, gate=Gate(strict=True)) == (True, False)


@pytest.mark.parametrize("purpose", LEAVING)
def test_another_host_is_admitted_without_secrets(purpose: Purpose) -> None:
    assert passage(purpose, "https://cdn.example.net/x") == (False, True)
    assert passage(purpose, "https://registry.example.com:8443/x") == (False, True)


@pytest.mark.parametrize("purpose", list(Purpose))
def test_strict_admits_the_own_origin_only(purpose: Purpose) -> None:
    with pytest.raises(ForbiddenRedirectError):
        passage(purpose, "https://cdn.example.net/x", gate=Gate(strict=True))


def test_a_next_page_never_leaves_the_origin() -> None:
    with pytest.raises(ForbiddenRedirectError, match="next page"):
        passage(Purpose.PAGE, "https://cdn.example.net/x")


def test_foreign_layers_are_asked_only_when_allowed_and_never_with_secrets() -> None:
    with pytest.raises(ForbiddenRedirectError, match="foreign_layers=True"):
        passage(Purpose.FOREIGN, "https://cdn.example.net/x")
    assert passage(Purpose.FOREIGN, "https://cdn.example.net/x", gate=Gate(foreign_layers=True)) == (False, True)


@pytest.mark.parametrize("purpose", [*LEAVING, Purpose.REALM])
def test_encryption_is_never_given_up(purpose: Purpose) -> None:
    with pytest.raises(ForbiddenRedirectError, match="not encrypted"):
        passage(purpose, "http://cdn.example.net/x")
    with pytest.raises(ForbiddenRedirectError, match="not encrypted"):
        passage(purpose, "http://registry.example.com/x")
    assert passage(purpose, "http://cdn.example.net/x", registry=PLAIN, public=False) == (False, False)


PRIVATE = [
    "169.254.169.254",
    "[::ffff:169.254.169.254]",
    "[64:ff9b::a9fe:a9fe]",
    "[2002:a9fe:a9fe::1]",
    "2852039166",
    "0xA9FEA9FE",
    "0xA9.0xFE.0xA9.0xFE",
    "0251.0376.0251.0376",
    "127.1",
    "0",
    "0.0.0.0",
    "10.0.0.1",
    "100.64.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "224.0.0.1",
    "[::]",
    "[::1]",
    "[fc00::1]",
    "[fe80::1%25eth0]",
    "localhost",
    "LOCALHOST.",
    "a.localhost",
    "printer.local",
    "metadata.google.internal",
]


@pytest.mark.parametrize("purpose", [*LEAVING, Purpose.REALM])
@pytest.mark.parametrize("host", PRIVATE)
def test_a_public_registry_leads_to_no_private_address_however_it_is_spelled(purpose: Purpose, host: str) -> None:
    with pytest.raises((ForbiddenRedirectError, ProtocolError)):
        passage(purpose, f"https://{host}/x")


@pytest.mark.parametrize("host", [host for host in PRIVATE if "%" not in host and not host.endswith(".")])
def test_a_private_registry_may(host: str) -> None:
    assert passage(Purpose.PULL, f"https://{host}/x", public=False) == (False, False)


@pytest.mark.parametrize("host", ["8.8.8.8", "[2606:4700::1111]", "134744072", "ghcr.io", "1.example", "0x.example"])
def test_public_hosts_are_not_private(host: str) -> None:
    assert not is_private(host)


@pytest.mark.parametrize(
    ("registry", "realm", "trusted"),
    [
        ("harbor.acme.example", "harbor.acme.example", True),
        ("example.com", "auth.example.com", True),
        ("a.acme.co.uk", "b.acme.co.uk", True),
        ("acme.co.uk", "evil.co.uk", False),
        ("acme.kobe.jp", "evil.kobe.jp", False),
        ("a.city.kobe.jp", "b.city.kobe.jp", True),
        ("acme.ck", "evil.ck", False),
        ("a.www.ck", "b.www.ck", True),
        ("registry.ab.io", "auth.ab.io", True),
        ("acme.xn--55qx5d.cn", "evil.xn--55qx5d.cn", False),
        ("acme.azurecr.io", "evil.azurecr.io", False),
        ("acme.azurecr.cn", "evil.azurecr.cn", False),
        ("acme.azurecr.us", "evil.azurecr.us", False),
        ("acme.jfrog.io", "evil.jfrog.io", False),
        ("1.dkr.ecr.eu-west-1.amazonaws.com", "evil.amazonaws.com", False),
        ("1.dkr.ecr.eu-west-1.amazonaws.com", "2.dkr.ecr.eu-west-1.amazonaws.com", False),
        ("1.dkr.ecr.cn-north-1.amazonaws.com.cn", "evil.s3.cn-north-1.amazonaws.com.cn", False),
        ("1.dkr.ecr.eusc-de-east-1.amazonaws.eu", "evil.s3.eusc-de-east-1.amazonaws.eu", False),
        ("1.dkr-ecr.us-east-1.on.aws", "evil.lambda-url.us-east-1.on.aws", False),
        ("acme.s3.us-east-1.amazonaws.com", "evil.s3.us-east-1.amazonaws.com", False),
        ("acme.blob.core.windows.net", "evil.blob.core.windows.net", False),
        ("acme.uc.r.appspot.com", "evil.uc.r.appspot.com", False),
        ("acme.appspot.com", "evil.appspot.com", False),
        ("acme-uc.a.run.app", "evil-uc.a.run.app", False),
        ("acme-uc.a.run.app", "acme-uc.a.run.app", True),
        ("acme.github.io", "evil.github.io", False),
        ("registry.acme.github.io", "auth.acme.github.io", True),
        ("github.io", "evil.github.io", False),
        ("acme.vercel.app", "evil.vercel.app", False),
        ("acme.duckdns.org", "evil.duckdns.org", False),
        ("ghcr.io", "evil.example", False),
        ("docker.io.evil.example", "auth.docker.io", False),
        ("auth.docker.io", "docker.io.evil.example", False),
        ("registry.com", "evil.com", False),
        ("com", "com", False),
        ("co.uk", "evil.co.uk", False),
        ("a..com", "b..com", False),
        ("registry.example.com", "auth.example.com.", False),
        ("10.0.0.1", "10.0.0.2", False),
        ("8.8.8.8", "9.8.8.8", False),
    ],
)
def test_credentials_go_to_realms_of_the_same_domain_only(registry: str, realm: str, *, trusted: bool) -> None:
    realm_origin = Origin("https", realm, 8443)
    assert is_trusted_realm(Gate(), Origin("https", registry, 443), realm_origin) is trusted
    if not registry[0].isdigit():
        assert same_domain(registry, realm) is trusted


@pytest.mark.parametrize(
    ("registry", "realm"),
    [
        ("registry-1.docker.io", "auth.docker.io"),
        ("registry.gitlab.com", "gitlab.com"),
        ("docker.elastic.co", "docker-auth.elastic.co"),
        ("registry.digitalocean.com", "api.digitalocean.com"),
        ("registry.connect.redhat.com", "sso.redhat.com"),
        ("registry.cn-hangzhou.aliyuncs.com", "dockerauth.cn-hangzhou.aliyuncs.com"),
        *(
            (host, host)
            for host in (
                *("ghcr.io", "quay.io", "gcr.io", "us-docker.pkg.dev", "acme.azurecr.io", "public.ecr.aws", "nvcr.io"),
                *("container-registry.oracle.com", "us.icr.io", "cgr.dev", "acme.jfrog.io", "codeberg.org"),
            )
        ),
    ],
)
def test_realms_of_real_registries_get_credentials(registry: str, realm: str) -> None:
    """As their challenges name them."""
    assert is_trusted_realm(Gate(), Origin("https", registry, 443), Origin("https", realm, 443))


@pytest.mark.parametrize("allowed", ["auth.other.example", "auth.other.example:8443"])
def test_a_realm_that_the_user_names_is_trusted(allowed: str) -> None:
    gate = Gate(trusted_realms=frozenset({allowed}))
    assert passage(Purpose.REALM, "https://auth.other.example:8443/token", gate=gate) == (True, True)
    assert passage(Purpose.REALM, "https://evil.example:8443/token", gate=gate) == (False, True)


@pytest.mark.parametrize("allowed", ["Auth.Other.Example", "auth.other.example:443"])
def test_a_realm_is_named_in_any_case_and_with_the_port_of_its_scheme(allowed: str) -> None:
    gate = Gate(trusted_realms=frozenset({allowed}))
    assert passage(Purpose.REALM, "https://auth.other.example/token", gate=gate) == (True, True)


@pytest.mark.parametrize("url", ["https://user:pw@registry.example.com/token", "file:///etc/passwd", "null://x/token"])
def test_what_is_no_plain_url_is_refused(url: str) -> None:
    with pytest.raises(ForbiddenRedirectError) as caught:
        passage(Purpose.REALM, url)
    assert "pw" not in str(caught.value)


def test_addresses_wrapped_in_ipv6_are_looked_at_within() -> None:
    for text, public in [("::ffff:8.8.8.8", True), ("::ffff:10.0.0.1", False), ("2002:0a00:0001::", False)]:
        assert is_public_address(ipaddress.ip_address(text)) is public
