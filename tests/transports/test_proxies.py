from __future__ import annotations

import base64
import socket
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest

from lading._io.base import Cancellation
from lading._wire.messages import Origin
from lading.errors import ConnectionFailedError, ProtocolError, TimedOutError
from lading.transports.network_settings import NetworkSettings
from lading.transports.proxies import Proxies, Proxy, read_environment
from lading.transports.socket_transport import SocketTransport
from tests.support.scripted import Peer, ScriptedServer, answers, exchange, get, relay, repeats

Serve = Callable[..., ScriptedServer]
Connect = Callable[..., SocketTransport]

CERTIFICATES = Path(__file__).parent / "certificates"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"


def identity() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATES / "server.pem")
    return context


def via(server: ScriptedServer, user: str = "") -> NetworkSettings:
    """Settings by which everything, loopback too, goes through a proxy."""
    url = f"http://{user}127.0.0.1:{server.port}"
    return NetworkSettings(
        ca_file=str(CERTIFICATES / "authority.pem"), proxies=Proxies(http=url, https=url, loopback=True)
    )


def tunnel_to(port: int, greeting: bytes = ESTABLISHED) -> Callable[[Peer], None]:
    """Be a proxy that connects to a port on loopback, whatever it is asked for."""

    def script(peer: Peer) -> None:
        peer.read_head()
        with socket.create_connection(("127.0.0.1", port)) as out:
            peer.send(greeting)
            relay(peer.socket, out)

    return script


def test_plain_request_goes_to_the_proxy_in_absolute_form(serve: Serve, connect: Connect) -> None:
    proxy = serve(repeats(OK))
    transport = connect(via(proxy, "us%65r:p%40ss@"))
    for _ in range(2):
        assert exchange(transport, get(Origin.of("http", "registry.example:5000"), "/v2/?a=%7e"))[2] == b"hello"
    first, *rest = proxy.requests[0].split(b"\r\n")
    assert first == b"GET http://registry.example:5000/v2/?a=%7e HTTP/1.1"
    assert rest[0] == b"Host: registry.example:5000"
    assert rest[-1] == b"Proxy-Authorization: Basic " + base64.b64encode(b"user:p@ss")
    assert proxy.accepted == 1


def test_https_goes_through_a_tunnel_that_keeps_secrets_apart(serve: Serve, connect: Connect) -> None:
    registry = serve(repeats(OK), tls=identity())
    proxy = serve(tunnel_to(registry.port))
    transport = connect(via(proxy, "user:pass@"))
    origin = Origin("https", "localhost", registry.port)
    for _ in range(2):
        assert exchange(transport, get(origin, "/v2/", Authorization="Bearer secret"))[2] == b"hello"
    assert proxy.accepted == 1
    (connect_head,) = proxy.requests
    assert connect_head.startswith(
        b"CONNECT localhost:%d HTTP/1.1\r\nHost: localhost:%d\r\n" % (origin.port, origin.port)
    )
    assert b"Proxy-Authorization: Basic " in connect_head
    assert b"secret" not in connect_head
    assert all(b"proxy" not in head.lower() for head in registry.requests)
    assert registry.requests[0].startswith(b"GET /v2/ HTTP/1.1\r\n")


def test_tunnel_ends_at_the_certificate_of_the_origin(serve: Serve, connect: Connect) -> None:
    other = serve(answers(OK), tls=identity())
    proxy = serve(tunnel_to(other.port))
    with pytest.raises(ConnectionFailedError, match=r"certificate is not valid for 'registry\.example'"):
        connect(via(proxy)).send(get(Origin.of("https", "registry.example")), Cancellation())
    assert other.requests == []


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_r_47_proxy_that_wants_credentials_is_not_the_origins_answer(
    serve: Serve, connect: Connect, scheme: str
) -> None:
    refusal = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"
    proxy = serve(answers(refusal))
    with pytest.raises(ConnectionFailedError) as caught:
        connect(via(proxy)).send(get(Origin.of(scheme, "registry.example")), Cancellation())
    assert str(caught.value) == (
        f"{scheme}://registry.example: the proxy http://127.0.0.1:{proxy.port} requires other credentials (407)"
    )


def test_407_of_an_origin_is_an_answer(serve: Serve, transport: SocketTransport) -> None:
    server = serve(answers(b"HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n"))
    assert exchange(transport, get(server.origin))[0] == 407


@pytest.mark.parametrize(
    ("raw", "error", "message"),
    [
        pytest.param(b"HTTP/1.1 403 Forbidden\r\n\r\n", ConnectionFailedError, "refused to connect (403)", id="403"),
        pytest.param(b"HTTP/1.1 302 Found\r\n\r\n", ConnectionFailedError, "refused to connect (302)", id="302"),
        pytest.param(ESTABLISHED + b"HTTP", ConnectionFailedError, "sent unexpected bytes", id="bytes-of-its-own"),
        pytest.param(b"SOCKS\r\n\r\n", ProtocolError, "is not HTTP/1.1", id="not-http"),
        pytest.param(b"", ConnectionFailedError, "closed the connection", id="nothing"),
    ],
)
def test_proxy_that_does_not_connect_is_an_error(
    serve: Serve, connect: Connect, raw: bytes, error: type[Exception], message: str
) -> None:
    proxy = serve(answers(raw, then_close=True))
    with pytest.raises(error) as caught:
        connect(via(proxy)).send(get(Origin.of("https", "registry.example")), Cancellation())
    assert str(caught.value).startswith(f"https://registry.example: the proxy http://127.0.0.1:{proxy.port}")
    assert message in str(caught.value)


def test_interim_answer_of_a_proxy_is_skipped(serve: Serve, connect: Connect) -> None:
    registry = serve(answers(OK), tls=identity())
    proxy = serve(tunnel_to(registry.port, b"HTTP/1.1 100 Continue\r\n\r\n" + ESTABLISHED))
    assert exchange(connect(via(proxy)), get(Origin("https", "localhost", registry.port)))[0] == 200


def test_proxy_that_is_down_is_named(connect: Connect, closed: Origin) -> None:
    transport = connect(NetworkSettings(proxies=Proxies(http=str(closed))))
    with pytest.raises(ConnectionFailedError) as caught:
        transport.send(get(Origin.of("http", "registry.example")), Cancellation())
    assert str(caught.value) == (
        f"http://registry.example: the proxy {closed}: connection refused: nothing listens on port {closed.port}"
    )


def test_proxy_that_says_nothing_times_out(connect: Connect, silent: Origin) -> None:
    transport = connect(NetworkSettings(connect_timeout=0.05, proxies=Proxies(https=str(silent))))
    with pytest.raises(TimedOutError, match=rf"the proxy {silent}: timed out after 0\.05 s"):
        transport.send(get(Origin.of("https", "registry.example")), Cancellation())


PLAIN, SECURE = Origin.of("http", "registry.example"), Origin.of("https", "registry.example")


@pytest.mark.parametrize(
    ("text", "origin", "authorization"),
    [
        ("http://proxy.example:3128", "http://proxy.example:3128", None),
        ("http://proxy.example:3128/", "http://proxy.example:3128", None),
        ("HTTP://proxy.example", "http://proxy.example", None),
        ("proxy.example:3128", "http://proxy.example:3128", None),
        ("user@proxy.example", "http://proxy.example", "user:"),
        ("http://user:p:a/s%20s@[::1]:8080", "http://[::1]:8080", "user:p:a/s s"),
        ("http://u%C3%A9:@proxy.example", "http://proxy.example", "u\xe9:"),
    ],
)
def test_spellings_of_a_proxy(text: str, origin: str, authorization: str | None) -> None:
    proxy = Proxies(https=text).choose(SECURE)
    assert proxy is not None
    assert str(proxy.origin) == origin
    expected = authorization and "Basic " + base64.b64encode(authorization.encode()).decode()
    assert proxy.authorization == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("socks5://user:secret@proxy.example:1080", "must be an http:// URL, not 'socks5'://"),
        ("https://user:secret@proxy.example", "must be an http:// URL, not 'https'://"),
        ("http://user:secret@", "is not a URL like"),
        ("http://user:secret@proxy.example:99999", "port 99999"),
        ("http://user:secret@proxy.example:x", "port 'x'"),
        ("http://user:secret@proxy example", "is not a URL like"),
        ("http://user:secret@proxy.example/path", "is not a URL like"),
        ("http://user:secret@proxy.example\r\nX: y", "is not a URL like"),
    ],
)
def test_unusable_proxy_is_an_error_that_shows_no_password(text: str, message: str) -> None:
    with pytest.raises(ConnectionFailedError) as caught:
        Proxies(http=text).choose(PLAIN)
    assert str(caught.value).startswith("http://registry.example: ")
    assert message in str(caught.value)
    assert "secret" not in str(caught.value)


def test_representations_show_no_password() -> None:
    proxies = Proxies(http="http://user:secret@proxy.example", https="http://user:secret@proxy.example")
    shown = repr((proxies, NetworkSettings(proxies=proxies), proxies.choose(PLAIN)))
    assert "secret" not in shown
    assert base64.b64encode(b"user:secret").decode() not in shown


@pytest.mark.parametrize(
    ("bypass", "origin", "bypassed"),
    [
        ("", "https://registry.example", False),
        ("*", "https://registry.example", True),
        ("registry.example", "https://registry.example", True),
        ("Registry.Example", "https://registry.example", True),
        ("registry.example", "https://registry.example.", True),
        ("registry.example", "https://a.registry.example", True),
        ("registry.example", "https://evilregistry.example", False),
        ("registry.example", "https://registry.example.org", False),
        (".example", "https://registry.example", True),
        ("*.example", "https://registry.example", True),
        (".", "https://registry.example", False),
        ("a.example, registry.example", "https://registry.example", True),
        ("a.example registry.example", "https://registry.example", True),
        ("registry.example:443", "https://registry.example", True),
        ("registry.example:5000", "https://registry.example", False),
        ("10.0.0.0/8", "https://10.1.2.3", True),
        ("10.0.0.1/8", "https://10.1.2.3", True),
        ("10.0.0.0/8", "https://11.1.2.3", False),
        ("10.0.0.0/8", "https://10.example", False),
        ("10.1.2.3", "https://10.1.2.3", True),
        ("10.1.2.3:443", "https://10.1.2.3", True),
        ("10.1.2.3:80", "https://10.1.2.3", False),
        ("10.1.2", "https://10.1.2.3", False),
        ("2001:db8::/32", "https://[2001:db8::1]", True),
        ("2001:db8::1", "https://[2001:0db8:0::1]", True),
        ("[2001:db8::1]", "https://[2001:db8::1]:5000", True),
        ("[2001:db8::1]:5000", "https://[2001:db8::1]:5000", True),
        ("[2001:db8::1]:5001", "https://[2001:db8::1]:5000", False),
        ("fe80::/10", "https://[fe80::1%25eth0]", True),
        ("2001:db8::/999", "https://[2001:db8::1]", False),
    ],
)
def test_no_proxy(bypass: str, origin: str, bypassed: bool) -> None:
    scheme, _, authority = origin.partition("://")
    proxy = Proxies(https="proxy.example", bypass=bypass).choose(Origin.of(scheme, authority))
    assert (proxy is None) is bypassed


@pytest.mark.parametrize(
    "authority", ["localhost", "localhost:5000", "a.localhost", "127.0.0.1", "127.1.2.3:5000", "[::1]:5000"]
)
def test_loopback_is_proxied_only_when_asked_for(authority: str) -> None:
    origin = Origin.of("http", authority)
    assert Proxies(http="proxy.example").choose(origin) is None
    assert Proxies(http="proxy.example", loopback=True).choose(origin) is not None


@pytest.mark.parametrize("authority", ["127.example", "localhost.example", "128.0.0.1", "[::2]"])
def test_what_only_looks_like_loopback_is_proxied(authority: str) -> None:
    assert Proxies(http="proxy.example").choose(Origin.of("http", authority)) is not None


def test_each_scheme_has_its_proxy() -> None:
    proxies = Proxies(http="one.example", https="two.example")
    assert proxies.choose(PLAIN) == Proxy(Origin.of("http", "one.example"))
    assert proxies.choose(SECURE) == Proxy(Origin.of("http", "two.example"))
    assert Proxies(http="one.example").choose(SECURE) is None


@pytest.mark.parametrize(
    ("environment", "proxies"),
    [
        ({}, Proxies()),
        ({"HTTP_PROXY": "a", "HTTPS_PROXY": " b ", "NO_PROXY": "c"}, Proxies("a", "b", "c")),
        ({"HTTP_PROXY": "a", "http_proxy": "b"}, Proxies("b")),
        ({"HTTP_PROXY": "a", "http_proxy": ""}, Proxies()),
        ({"NO_PROXY": "a", "no_proxy": "b"}, Proxies(bypass="b")),
        ({"HTTP_PROXY": "a", "HTTPS_PROXY": "b", "REQUEST_METHOD": "GET"}, Proxies(https="b")),
        ({"http_proxy": "a", "REQUEST_METHOD": "GET"}, Proxies("a")),
        ({"ALL_PROXY": "a", "NETRC": "b"}, Proxies()),
    ],
)
def test_environment(environment: dict[str, str], proxies: Proxies) -> None:
    assert read_environment(environment) == proxies
