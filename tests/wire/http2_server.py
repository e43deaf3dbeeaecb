"""The server's side of HTTP/2, driven by a test."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping

import h2.config
import h2.connection
import h2.events
import h2.settings
import hyperframe.frame
import trustme

from .servers import Connection, Handler


class Http2Side:
    """One connection. Requests are kept in `requests` by stream, as (fields, body)."""

    def __init__(self, connection: Connection, settings: Mapping[h2.settings.SettingCodes, int] | None = None) -> None:
        self.connection = connection
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding=None))
        if settings:
            self.h2.local_settings = h2.settings.Settings(client=False, initial_values=dict(settings))
        self.h2.initiate_connection()
        self.requests: dict[int, tuple[dict[bytes, bytes], bytes]] = {}
        self.resets: list[int] = []
        self.waiting: dict[int, bytes] = {}

    def flush(self) -> None:
        self.connection.send(self.h2.data_to_send())

    def respond(
        self, stream: int, body: bytes = b"", *, fields: tuple[tuple[bytes, bytes], ...] = (), end: bool = True
    ) -> None:
        """Send a response; as much of its body as the windows allow, the rest when they open."""
        self.h2.send_headers(stream, [(b":status", b"200"), *fields], end_stream=end and not body)
        if body:
            self.waiting[stream] = body
        self.pump(end=end)

    def pump(self, *, end: bool = True) -> None:
        for stream in list(self.waiting):
            body = self.waiting[stream]
            while body:
                size = min(self.h2.local_flow_control_window(stream), self.h2.max_outbound_frame_size, len(body))
                if not size:
                    break
                self.h2.send_data(stream, body[:size], end_stream=end and size == len(body))
                body = body[size:]
            if body:
                self.waiting[stream] = body
            else:
                del self.waiting[stream]
        self.flush()

    def receive(self) -> list[h2.events.Event]:
        """What has come next, [] at the end."""
        if self.connection.socket.fileno() < 0:
            return []
        try:
            data = self.connection.socket.recv(65536)
        except ConnectionError:
            data = b""
        if not data:
            return []
        events = self.h2.receive_data(data)
        for event in events:
            stream = getattr(event, "stream_id", 0) or 0
            if isinstance(event, h2.events.RequestReceived):
                self.requests[stream] = ({bytes(n): bytes(v) for n, v in event.headers}, b"")
            elif isinstance(event, h2.events.DataReceived):
                fields, body = self.requests[stream]
                self.requests[stream] = (fields, body + event.data)
                self.h2.acknowledge_received_data(event.flow_controlled_length, stream)
            elif isinstance(event, h2.events.StreamReset):
                self.resets.append(stream)
                self.waiting.pop(stream, None)
        self.pump()
        return events or [h2.events.UnknownFrameReceived(frame=hyperframe.frame.PingFrame(0))]


Respond = Callable[[Http2Side, int], None]


def speaking_http2(respond: Respond, settings: Mapping[h2.settings.SettingCodes, int] | None = None) -> Handler:
    """Calls `respond(side, stream)` for each complete request."""

    def handle(connection: Connection) -> None:
        side = Http2Side(connection, settings)
        side.flush()
        while events := side.receive():
            for event in events:
                if isinstance(event, h2.events.StreamEnded):
                    respond(side, event.stream_id)

    return handle


def http2_context(authority: trustme.CA) -> ssl.SSLContext:
    """A server's context that offers HTTP/2 only."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", "localhost").configure_cert(context)
    context.set_alpn_protocols(["h2"])
    return context
