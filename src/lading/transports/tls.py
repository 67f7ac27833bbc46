"""TLS: trusted certificates for an origin, and explanations of failed handshakes.

Each combination of settings has a context of its own, made when it is first needed: a permission for one origin never
applies to another.
"""

from __future__ import annotations

import socket
import ssl
import sys

from lading._text import shortened
from lading._wire.messages import Origin
from lading.errors import ConnectionFailedError, TimedOutError, TransportError
from lading.transports.cancellation import Abort
from lading.transports.network_settings import ClientCertificate, NetworkSettings
from lading.transports.pem_files import PemFiles
from lading.transports.socket_stream import reason

# Reasons that the versions of OpenSSL give when the first bytes of the server are not TLS.
_NOT_TLS = {
    "WRONG_VERSION_NUMBER",
    "HTTP_REQUEST",
    "PACKET_LENGTH_TOO_LONG",
    "RECORD_LAYER_FAILURE",
    "UNKNOWN_PROTOCOL",
}


class Trust:
    """TLS contexts for each origin by the network settings."""

    def __init__(self, settings: NetworkSettings) -> None:
        self._settings = settings
        self._files = PemFiles(settings.connect_timeout)
        self._contexts: dict[tuple[bool, ClientCertificate | None], ssl.SSLContext] = {}

    def wrap(self, sock: socket.socket, origin: Origin, timeout: float, abort: Abort) -> ssl.SSLSocket:
        """Perform the TLS handshake within `timeout` seconds. The plain socket must not be used any more."""
        context = self._choose(origin)
        try:
            # The call that performs the handshake takes the socket over; a second handle allows to shut it down.
            with sock.dup() as handle:
                abort.hold(handle)
                abort.release(sock)
                sock.settimeout(timeout)
                try:
                    return context.wrap_socket(sock, server_hostname=_name(origin.host), suppress_ragged_eofs=False)
                finally:
                    abort.release(handle)
        except (OSError, ValueError) as error:
            abort.check()
            raise _explain(error, origin, timeout) from error

    def _choose(self, origin: Origin) -> ssl.SSLContext:
        insecure, certificate = origin in self._settings.insecure, self._settings.client_certificates.get(origin)
        context = self._contexts.get((insecure, certificate))
        if context is None:
            context = _make_context(origin, insecure, self._settings.ca_file, self._files)
            if certificate:
                _load_certificate(context, certificate, origin, self._files)
            self._contexts[insecure, certificate] = context
        return context


def _make_context(origin: Origin, insecure: bool, ca_file: str | None, files: PemFiles) -> ssl.SSLContext:
    if insecure:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif ca_file is None:
        context = _make_system_context()
    else:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        # A certificate that the user names is a trust anchor even if another one signed it, as with Go's clients.
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        _load_anchors(context, ca_file, origin, files)
    # Early releases of Python 3.11 treat a connection that was cut as one that was closed.
    context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF
    context.set_alpn_protocols(["http/1.1"])
    return context


def _make_system_context() -> ssl.SSLContext:
    """Return a context that trusts the certificates of the system."""
    if sys.platform not in {"darwin", "win32"} and ssl.get_default_verify_paths().cafile:
        # Here truststore would do the same, but again for every connection, which takes 20 ms each time.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.set_default_verify_paths()
        return context
    import truststore

    return truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def _load_anchors(context: ssl.SSLContext, ca_file: str, origin: Origin, files: PemFiles) -> None:
    try:
        with files.readable(ca_file) as path:
            context.load_verify_locations(path)
    except OSError as error:
        raise ConnectionFailedError(
            f"{origin}: cannot use the CA file {ca_file!r}: {reason(error)}", temporary=False
        ) from error


def _load_certificate(context: ssl.SSLContext, certificate: ClientCertificate, origin: Origin, files: PemFiles) -> None:
    key = certificate.key or certificate.certificate
    try:
        with files.readable(certificate.certificate) as chain_path, files.readable(key) as key_path:
            # Without the argument `password`, OpenSSL would prompt for one on the terminal.
            context.load_cert_chain(chain_path, key_path, password="")
    except OSError as error:
        path = certificate.certificate
        raise ConnectionFailedError(
            f"{origin}: cannot use the client certificate {path!r}: {_refused_by(error)}", temporary=False
        ) from error


def _refused_by(error: OSError) -> str:
    """Return why a client certificate cannot be loaded. OpenSSL has no reason for a file that is not PEM: `PEM lib`."""
    return "no certificate and private key in PEM" if "PEM lib" in str(error) else reason(error)


def _name(host: str) -> str:
    """Return the name that the certificate must have: no brackets, no zone, no final dot (RFC 6066, section 3)."""
    return host.strip("[]").partition("%")[0].rstrip(".")


def _explain(error: OSError | ValueError, origin: Origin, timeout: float) -> TransportError:
    if isinstance(error, TimeoutError):
        return TimedOutError(f"{origin}: the TLS handshake took more than {timeout:g} s")
    host = origin.authority
    if isinstance(error, ssl.SSLCertVerificationError):
        failure = ConnectionFailedError(
            f"{origin}: its certificate is not trusted: {error.verify_message}", temporary=False
        )
        failure.add_note(
            f"trust its CA with --ca-file FILE (ca_file), or skip the check with --insecure (insecure=[{host!r}])"
        )
        return failure
    if isinstance(error, ssl.SSLError) and error.reason in _NOT_TLS:
        failure = ConnectionFailedError(f"{origin}: the server does not speak TLS on this port", temporary=False)
        failure.add_note(
            f"if you trust it without TLS, use --plain-http (plain_http=[{host!r}]) or write http:// before the host"
        )
        return failure
    said = reason(error) if isinstance(error, OSError) else shortened(str(error))
    return ConnectionFailedError(f"{origin}: the TLS handshake failed: {said}", temporary=False)
