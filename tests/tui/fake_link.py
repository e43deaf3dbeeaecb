"""Canned data on the screen's side of the seam, and the commands that came back."""

from __future__ import annotations

from collections.abc import Iterable

from fetch_engine.core.census import Census
from fetch_engine.model.results import ErrorKind, FetchError, FetchResult, FetchState, Hop, Timings
from tui.bridge.snapshot import ActiveRow, Command, FinishedRecord, HeldRow, SessionFacts, Snapshot
from tui.run.counts import Counts

JSON = (
    b'{"items":[{"id":1,"name":"alpha","tags":["a","b"]},{"id":2,"name":"beta","tags":["c"]}],"next":"/items?page=2"}'
)
HTML = b"<html><head><title>503 Service Unavailable</title></head>\n<body><h1>Try later</h1></body></html>\n"
PNG = b"\x89PNG\r\n\x1a\n\x00\x00" * 30
EVIL = "\x1b[2J\x1b]52;c;AAAA\x07\x9b31m[/b][@click=app.quit]\u202eoffer\u2066\x00\r\n[red]x"


class FakeLink:
    """An EngineLink that shows what it is given and writes down what it is sent."""

    def __init__(self, latest: Snapshot | None = None, finished: Iterable[FinishedRecord] = ()) -> None:
        self.latest = latest
        self.finished = list(finished)
        self.sent: list[Command] = []

    def take_finished(self) -> list[FinishedRecord]:
        taken, self.finished = self.finished, []
        return taken

    def send(self, command: Command) -> None:
        self.sent.append(command)


def result(
    fetch_id: int,
    url: str = "https://api.example.org/items",
    *,
    status: int = 200,
    body: bytes = JSON,
    content_type: str = "application/json",
    size: int | None = None,
    **changes: object,
) -> FinishedRecord:
    """A fetch that got a response. `body` is the preview; the body is longer where `size` says so."""
    values: dict[str, object] = {
        "url": url,
        "final_url": url,
        "status": status,
        "reason": {200: "OK", 404: "Not Found", 503: "Service Unavailable"}.get(status, ""),
        "http_version": "HTTP/1.1",
        "headers": (
            ("content-type", content_type),
            ("server", "nginx/1.24.0"),
            ("set-cookie", "a=1"),
            ("set-cookie", "b=2"),
        ),
        "redirects": (),
        "attempts": 1,
        "elapsed": 0.14,
        "timings": Timings(0.002, 0.011, 0.02, 0.044, 0.001, 0.05, 0.012, 0.14),
        "bytes_received": len(body) + 200,
        "body_size": len(body) if size is None else size,
        "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "preview": body,
        "content_type": content_type,
        "remote_address": "192.0.2.7:443",
    }
    return FinishedRecord(fetch_id, url, FetchResult(**{**values, **changes}), 1_700_000_000.0 + fetch_id)  # type: ignore[arg-type]


def failure(fetch_id: int, url: str, kind: ErrorKind, message: str, **changes: object) -> FinishedRecord:
    """A fetch that got none."""
    values: dict[str, object] = {"final_url": url, "attempts": 1, "elapsed": 5.0, "timings": Timings(total=5.0)}
    error = FetchError(kind, message, **{**values, **changes})  # type: ignore[arg-type]
    return FinishedRecord(fetch_id, url, error, 1_700_000_000.0 + fetch_id)


def active(fetch_id: int, url: str, state: FetchState = FetchState.RECEIVING, **changes: object) -> ActiveRow:
    """A fetch that has not ended."""
    values: dict[str, object] = {
        "body_size": 0,
        "expected_size": None,
        "rate": 0.0,
        "age": 0.2,
        "attempt": 1,
        "pinned": False,
    }
    return ActiveRow(fetch_id, url, state, **{**values, **changes})  # type: ignore[arg-type]


def snapshot(
    active_rows: Iterable[ActiveRow] = (),
    held: Iterable[HeldRow] = (),
    *,
    done: int = 0,
    failed: int = 0,
    cancelled: int = 0,
    **changes: object,
) -> Snapshot:
    """A snapshot whose ledger agrees with its rows."""
    rows, held_rows = tuple(active_rows), tuple(held)
    queued = sum(row.state is FetchState.QUEUED for row in rows)
    ended = done + failed + cancelled
    alive = len(rows) + len(held_rows)
    opened = len(rows) + ended
    census = Census(
        opened=opened,
        closed=opened - alive,
        queued=queued,
        running=len(rows) - queued,
        finished=len(held_rows),
        dropping=0,
        pinned=sum(row.pinned for row in held_rows),
        outlived=sum(not row.pinned for row in held_rows),
        dropped_before_start=0,
    )
    is_open = alive > 0
    values: dict[str, object] = {
        "census": census,
        "session": SessionFacts(
            is_open, 1 if opened else 0, alive, 1 if opened else 0, int(not is_open and opened > 0)
        ),
        "active": rows,
        "held": held_rows,
        "waiting": 0,
        "counts": Counts(succeeded=done, failed=failed, cancelled=cancelled),
        "rate": 422_000.0 if rows else 0.0,
        "peak_alive": max(alive, 12) if opened else 0,
        "history": (*(min(12, n // 3) for n in range(45)), 9, 8, 7, 6, alive) if opened else (0,),
        "concurrency": 64,
    }
    return Snapshot(**{**values, **changes})  # type: ignore[arg-type]


def busy() -> FakeLink:
    """A screen with something in every pane."""
    rows = [
        active(
            44,
            "https://api.example.org/items?page=3",
            body_size=1_250_000,
            expected_size=2_050_000,
            rate=88_000,
            age=3.4,
        ),
        active(45, "https://cdn.example.org/releases/2026/big-image-amd64.iso", FetchState.WAITING, age=8.0, attempt=2),
        active(46, "http://198.51.100.9:8443/health", FetchState.CONNECTING, pinned=True),
        active(47, "https://api.example.org/stream", body_size=40_000, rate=20_100, age=12.0),
        active(48, "https://api.example.org/next", FetchState.QUEUED, age=0.01),
    ]
    held = [
        HeldRow(29, "https://api.example.org/items?page=1", "200", 12.0, True, ()),
        HeldRow(
            38,
            "https://api.example.org/slow",
            "503",
            41.0,
            False,
            ("frame local 'handle' fetch.py:88", "exception traceback"),
        ),
    ]
    records = [result(n, f"https://api.example.org/items?page={n}") for n in range(1, 36)]
    records += [
        result(38, "https://api.example.org/slow", status=503, body=HTML, content_type="text/html", elapsed=1.9),
        result(39, "https://cdn.example.org/a.png", body=PNG, content_type="image/png", size=90_000),
        failure(40, "http://198.51.100.7/", ErrorKind.TIMEOUT_CONNECT, "no connection within 15 s"),
        failure(
            41, "https://api.example.org/export", ErrorKind.CANCELLED, "cancelled by you", body_size=12_300, elapsed=0.8
        ),
        result(42, "http://example.org/missing", status=404, body=b"not found\n", content_type="text/plain"),
        result(
            43,
            "http://example.org/old",
            redirects=(
                Hop("http://example.org/old", 301, Timings(total=0.03)),
                Hop("https://example.org/", 302, Timings(total=0.05)),
            ),
            final_url="https://example.org/new",
            elapsed=0.31,
            timings=Timings(0.001, None, None, None, 0.001, 0.2, 0.012, 0.31),
        ),
    ]
    return FakeLink(snapshot(rows, held, done=39, failed=1, cancelled=1), records)
