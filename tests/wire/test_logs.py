"""What the libraries below us log holds no secret, however much of it is asked for."""

from __future__ import annotations

import pytest
import trustme

from fetch_engine import FetchEngine, FetchRequest
from fetch_engine.model.transport_options import TransportOptions

from .http2_server import Http2Side, http2_context, speaking_http2
from .servers import RawServer, echoing

pytestmark = pytest.mark.anyio

HEADERS = (("Authorization", "Bearer hunter1"), ("Cookie", "a=hunter2"), ("X-Api-Key", "hunter3"))


def greet(side: Http2Side, stream: int) -> None:
    side.respond(stream, b"hello", fields=((b"set-cookie", b"a=hunter4"),))


@pytest.mark.once
async def test_no_secret_is_logged(authority: trustme.CA, ca_file: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(1)
    with RawServer(speaking_http2(greet), tls=http2_context(authority)) as new, RawServer(echoing) as old:
        async with FetchEngine(transport=TransportOptions(ca_file=ca_file, http2=True)) as engine:
            for server in (new, old):
                url = server.url("/x?token=hunter5").replace("://", "://me:hunter6@")
                result = await engine.submit(FetchRequest(url, headers=HEADERS))
                assert result.status == 200
    logged = "\n".join(record.getMessage() for record in caplog.records)
    assert "hunter" not in logged
