"""TLS over a byte stream, and the context that says whom to trust (RFC 8446, RFC 9110 section 4.3.4)."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import ssl
import sys
from collections.abc import Callable

import certifi

from fetch_engine.model.errors import AttemptFailed
from fetch_engine.model.recorder import Recorder
from fetch_engine.model.results import ErrorKind
from fetch_engine.model.tls_facts import TlsFacts
from fetch_engine.model.transport_options import TransportOptions
from fetch_engine.net.streams import ByteStream
from fetch_engine.net.tls_peer import facts_of

_RECORD = 16 * 1024
_READ = 64 * 1024
_VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
# Of Debian and Alpine, Fedora, SUSE, BSD.
_CA_FILES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)


def build_ssl_context(options: TransportOptions | None = None, *, http2: bool | None = None) -> ssl.SSLContext:
    """A client context. Takes tens of milliseconds (it reads the CA bundle): build once, share.

    `http2` overrides what the options say about offering HTTP/2. Raises AttemptFailed (tls) where a file or the
    system's store cannot be used, or no version of TLS is left.
    """
    options = options or TransportOptions()
    if options.min_tls > options.max_tls:
        raise AttemptFailed(ErrorKind.TLS, f"no TLS from {options.min_tls} to {options.max_tls}", unsent=True)
    context = system_context() if options.ca_native and options.verify else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = _VERSIONS[options.min_tls]
    context.maximum_version = _VERSIONS[options.max_tls]
    if options.verify:
        if options.ca_file is not None or not options.ca_native:
            _load(options.ca_file, lambda: context.load_verify_locations(options.ca_file or certifi.where()))
    else:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    certificate = options.client_cert
    if certificate is not None:
        # An empty password instead of a prompt on the terminal, which belongs to the dashboard.
        _load(certificate, lambda: context.load_cert_chain(certificate, options.client_key, password=""))
    offer_http2 = options.http2 if http2 is None else http2
    context.set_alpn_protocols(["h2", "http/1.1"] if offer_http2 else ["http/1.1"])
    return context


def system_context(platform: str = sys.platform) -> ssl.SSLContext:
    """A context that trusts what the system trusts. Raises AttemptFailed (tls) where that cannot be found."""
    why = "the system's certificates were not found; --cacert names a file"
    if platform in ("darwin", "win32"):
        try:
            import truststore
        except ImportError:
            why = "the system's certificates need the package truststore: install weakfetch-tui[truststore]"
        else:
            return truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    else:
        # Elsewhere they are files. truststore would read them again for each connection, tens of milliseconds each.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.set_default_verify_paths()
        defaults = ssl.get_default_verify_paths()
        if defaults.cafile or (defaults.capath and os.listdir(defaults.capath)):
            return context
        # An OpenSSL that was built elsewhere looks for them elsewhere.
        found = next(filter(os.path.isfile, _CA_FILES), None)
        if found is not None:
            context.load_verify_locations(found)
            return context
    raise AttemptFailed(ErrorKind.TLS, why, unsent=True)


def _load(path: str | None, load: Callable[[], None]) -> None:
    try:
        load()
    except OSError as error:
        reason = getattr(error, "reason", None) or error.strerror
    else:
        return
    raise AttemptFailed(ErrorKind.TLS, f"cannot use {path or 'the CA bundle'}: {reason or 'not PEM'}", unsent=True)


class TLSStream:
    """TLS as a client over `inner`, which it then owns. Call `handshake` before anything else."""

    __slots__ = ("_host", "_incoming", "_inner", "_object", "_outgoing", "tls", "truncated")

    def __init__(self, inner: ByteStream, context: ssl.SSLContext, host: str) -> None:
        self._inner = inner
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._object = context.wrap_bio(self._incoming, self._outgoing, server_hostname=_server_name(host))
        self._host = host
        self.tls: TlsFacts | None = None
        self.truncated = False

    @property
    def recorder(self) -> Recorder | None:
        return self._inner.recorder

    @recorder.setter
    def recorder(self, recorder: Recorder | None) -> None:
        self._inner.recorder = recorder

    @property
    def remote_address(self) -> str:
        return self._inner.remote_address

    @property
    def sent(self) -> int:
        return self._inner.sent

    @property
    def alpn(self) -> str | None:
        """The protocol the server chose, if any (RFC 7301)."""
        return self._object.selected_alpn_protocol()

    async def handshake(self) -> None:
        """Agree on keys and check the certificate. Raises ssl.SSLError or OSError; has no timeout of its own."""
        while True:
            try:
                self._object.do_handshake()
            except ssl.SSLWantReadError:
                await self._flush(None)
                self._feed(await self._inner.read(_READ, None))
            except ssl.SSLError:
                # The alert tells the server why; it is a courtesy.
                with contextlib.suppress(OSError):
                    self._inner.write_nowait(self._outgoing.read())
                raise
            else:
                await self._flush(None)
                self.tls = facts_of(self._object, self._host)
                return

    async def read(self, max_bytes: int, seconds: float | None) -> bytes:
        while True:
            data = self._decrypt(min(max_bytes, _RECORD))  # it gives one record at a time, whatever room there is
            if data is not None:
                return data
            if self._outgoing.pending:
                await self._flush(seconds)
            self._feed(await self._inner.read(_READ, seconds))

    def read_nowait(self, max_bytes: int) -> bytes | None:
        while True:
            data = self._decrypt(max_bytes)
            if data is not None:
                return data
            received = self._inner.read_nowait(_READ)
            if received is None:
                return None
            self._feed(received)

    async def write(self, data: bytes, seconds: float | None) -> None:
        view = memoryview(data)
        for start in range(0, len(view), _RECORD):
            self._object.write(view[start : start + _RECORD])
            await self._flush(seconds)

    def write_nowait(self, data: bytes) -> None:
        view = memoryview(data)
        for start in range(0, len(view), _RECORD):
            self._object.write(view[start : start + _RECORD])
        self._inner.write_nowait(self._outgoing.read())

    def readable(self) -> bool:
        # OpenSSL takes from the BIO one record at a time and only when asked, so between two reads these three
        # places are all there are.
        return bool(self._object.pending() or self._incoming.pending) or self._inner.readable()

    def close(self) -> None:
        with contextlib.suppress(ssl.SSLError, OSError, ValueError):
            self._object.unwrap()
        with contextlib.suppress(OSError):
            self._inner.write_nowait(self._outgoing.read())
        self._inner.close()

    def _decrypt(self, max_bytes: int) -> bytes | None:
        try:
            return self._object.read(max_bytes)
        except ssl.SSLWantReadError:
            return None
        except ssl.SSLZeroReturnError:
            return b""
        except ssl.SSLError as error:
            if not is_eof(error):
                raise
            self.truncated = True
            return b""

    def _feed(self, data: bytes) -> None:
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()

    async def _flush(self, seconds: float | None) -> None:
        await self._inner.write(self._outgoing.read(), seconds)


def is_eof(error: ssl.SSLError) -> bool:
    """Whether the peer closed the connection without saying so in TLS (RFC 8446 section 6.1).

    With OpenSSL 3.6 some of these ends come as a plain SSLError of that reason.
    """
    return isinstance(error, ssl.SSLEOFError) or getattr(error, "reason", None) == "UNEXPECTED_EOF_WHILE_READING"


def _server_name(host: str) -> str:
    """What to ask for and to check: an IP address as it is, a name without the root's dot."""
    with contextlib.suppress(ValueError):
        return str(ipaddress.ip_address(host))
    return host.rstrip(".")
