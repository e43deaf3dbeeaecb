"""The command line: what may be given, checked. Imports nothing that `--help` would have to wait for."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeVar

from tui.options.access import Access, add_access_options, credential_headers, read_access
from tui.options.config_file import ConfigError
from tui.options.pace import Pace, add_pace_options, read_pace
from tui.options.parser import PROGRAM, Checker, Parser, Version
from tui.options.places import idle_option
from tui.options.save import Save, add_save_options, check_standard_output, max_time, read_save
from tui.options.settings import merge_headers, with_settings
from tui.options.types import (
    cluster,
    count,
    fps,
    header,
    method,
    positive,
    proxy,
    read_body,
    readable,
    run_id,
    seconds,
    size,
    time_limit,
    transport,
)
from tui.text.stderr import print_error

P = TypeVar("P", bound=Parser)
EPILOG = """\
Options can be set by their long names in weakfetch-tui/config.toml in the
configuration folder ($XDG_CONFIG_HOME or ~/.config), e.g. `max-time = 60`, or in
the environment, e.g. WEAKFETCH_MAX_TIME=60; [keys] sets the keys of the dashboard.

Exit codes: 0 every URL got a response below 400; 1 some did not, or results could not be written; 2 usage error;
3 something was still alive at the end; 130, 129, 143 after SIGINT, SIGHUP, SIGTERM."""
THEMES = ("auto", "dark", "light", "ansi", "contrast")
LIST_FORMS = ("auto", "lines", "ndjson", "sitemap")
CLIENTS: tuple[Literal["auto", "httpx", "fast"], ...] = ("auto", "httpx", "fast")
FORMATS = ("ndjson", "csv", "table", "har", "junit")


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line asks for. Times in seconds, None for no limit; sizes in bytes."""

    urls: tuple[str, ...]
    inputs: tuple[str, ...]  # files with URLs, "-" for standard input
    headless: bool
    demo: bool
    exit_report: bool  # as JSON
    fps: float
    ascii: bool
    method: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    follow_redirects: bool
    max_redirects: int
    max_filesize: int | None
    connect_timeout: float | None
    max_time: float | None
    retries: int
    retry_delay: float
    concurrency: int
    per_host: int
    proxy: str | None
    insecure: bool
    cacert: str | None
    cert: str | None
    key: str | None
    http2: bool
    access: Access = field(default_factory=Access)
    save: Save = field(default_factory=Save)
    pace: Pace = field(default_factory=Pace)
    theme: str = "auto"
    mouse: bool = False
    max_rows: int = 100_000  # finished fetches in the table
    keys: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # by id of the table of keys
    fixed: frozenset[str] = frozenset()  # of KEPT, those that were given for this run
    resume: int | None = None  # a run's id, 0 for the newest that was not complete
    history: bool = False
    store: bool = True
    store_secrets: bool = False
    store_days: float = 30.0
    store_size: int = 1024**3
    arguments: tuple[str, ...] = ()  # all of the command line
    setting_arguments: tuple[str, ...] = ()  # what the settings come to
    of_run: tuple[tuple[str, tuple[str | None, ...]], ...] = ()  # what the run was given that goes on
    notes: tuple[str, ...] = ()  # where that differs from what is given now
    format: str = "ndjson"
    reports: tuple[tuple[str, str], ...] = ()  # formats and files
    fail_on: str = "4xx,5xx,errors"
    show_secrets: bool = False
    silent: bool = False
    input_format: str = "auto"
    globoff: bool = False
    processes: int | None = None  # None: in this one
    cluster: str | None = None  # address of a Dask scheduler, or local[:N]
    transport: Literal["auto", "httpx", "fast"] = "auto"


def _report(text: str) -> tuple[str, str]:
    name, _, path = text.partition(":")
    if name not in FORMATS or not path:
        raise argparse.ArgumentTypeError(f"invalid FORMAT:FILE: {text!r} (formats: {', '.join(FORMATS)})")
    return name, path


def make_parser(kind: type[P]) -> P:
    parser = kind(
        prog=PROGRAM,
        description="Fetch many URLs at once and watch each fetch as it runs.",
        epilog=EPILOG,
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("urls", nargs="*", metavar="URL", help="URL to fetch; '-' reads URLs from standard input")
    parser.add_argument("--version", action=Version, nargs=0, help="print the version and exit")

    group = parser.add_argument_group("input and output")
    group.add_argument(
        "-i", "--input-file", dest="inputs", action="append", default=[], metavar="FILE",
        help="read URLs from FILE (a path, a URL, or '-' for standard input), one per line; # starts a comment line",
    )  # fmt: skip
    group.add_argument(
        "--input-format", choices=LIST_FORMS, default="auto",
        help="format of these lists: lines, ndjson (one JSON object per line: url, method, headers, body), sitemap;"
        " auto (default) detects it from the start of the list",
    )  # fmt: skip
    group.add_argument("-g", "--globoff", action="store_true", help="do not expand [1-9] and {a,b} in URLs")
    group.add_argument(
        "--headless",
        action="store_true",
        help="no dashboard, one result per URL; implied when stdout is not a terminal",
    )
    group.add_argument("--format", choices=FORMATS, help="format of the results (default: ndjson)")
    group.add_argument(
        "--report", dest="reports", action="append", type=_report, default=[], metavar="FORMAT:FILE",
        help="also write the results to FILE",
    )  # fmt: skip
    group.add_argument(
        "--fail-on", default="4xx,5xx,errors", metavar="LIST",
        help="outcomes that make the exit code 1: 404, 4xx, 500-503, timeout, errors, none (default: 4xx,5xx,errors)",
    )  # fmt: skip
    group.add_argument(
        "--show-secrets", action=argparse.BooleanOptionalAction, default=False,
        help="do not mask passwords, cookies and tokens in results",
    )  # fmt: skip
    group.add_argument(
        "-s", "--silent", "--no-progress", action="store_true", help="do not show progress on the terminal"
    )
    group.add_argument("--exit-report", action="store_true", help="write the exit report (on stderr) as JSON")
    group.add_argument("--demo", action="store_true", help="fetch a demo set from an embedded server on 127.0.0.1")
    group.add_argument("--fps", type=fps, metavar="N", help="redraws per second (default: 4)")
    group.add_argument(
        "--ascii", action=argparse.BooleanOptionalAction, default=False, help="draw with ASCII characters only"
    )
    group.add_argument(
        "--theme", choices=THEMES,
        help="colours (default: the theme last chosen in the program, else dark, or ansi if colours are few)",
    )  # fmt: skip
    group.add_argument(
        "--mouse", action=argparse.BooleanOptionalAction, default=False,
        help="support clicking and scrolling; the terminal then reports every mouse movement",
    )  # fmt: skip
    group.add_argument(
        "--max-rows",
        type=positive,
        default=100_000,
        metavar="N",
        help="maximum finished fetches in the table (default: 100000)",
    )
    group.add_argument("--config", metavar="FILE", help="read settings from FILE")

    group = parser.add_argument_group("run history")
    group.add_argument(
        "--resume", nargs="?", type=run_id, const=0, metavar="RUN",
        help="show what a run finished and fetch the rest (default: the latest interrupted run)",
    )  # fmt: skip
    group.add_argument("--history", action="store_true", help="list saved runs")
    group.add_argument(
        "--store", action=argparse.BooleanOptionalAction, default=True, help="save this run and its results (default)"
    )
    group.add_argument(
        "--store-secrets", action=argparse.BooleanOptionalAction, default=False,
        help="also save passwords, cookies and tokens",
    )  # fmt: skip
    group.add_argument(
        "--store-days", type=seconds, default=30.0, metavar="DAYS", help="delete saved runs after DAYS (default: 30)"
    )
    group.add_argument(
        "--store-size", type=size, default=1024**3, metavar="SIZE",
        help="delete the oldest runs when all together exceed SIZE (default: 1G)",
    )  # fmt: skip

    group = parser.add_argument_group("request (as in curl)")
    group.add_argument(
        "-X", "--request", type=method, metavar="METHOD", help="request method (default: GET, or POST with -d)"
    )
    group.add_argument(
        "-H",
        "--header",
        dest="headers",
        action="append",
        type=header,
        default=[],
        metavar="'NAME: VALUE'",
        help="request header",
    )
    group.add_argument(
        "-d",
        "--data",
        action="append",
        default=[],
        metavar="DATA",
        help="request body; @FILE reads it from FILE; several are joined with &",
    )
    group.add_argument("-A", "--user-agent", metavar="NAME", help="User-Agent header")
    group.add_argument(
        "--compressed", action="store_true", help="no effect: compression is always requested and decoded"
    )
    group.add_argument(
        "-L", "--location", action=argparse.BooleanOptionalAction, default=True, help="follow redirects (default)"
    )
    group.add_argument(
        "--max-redirs", type=count, default=10, metavar="N", help="maximum redirects to follow (default: 10)"
    )
    group.add_argument(
        "--max-filesize", type=size, metavar="SIZE",
        help="maximum size of a decoded body; suffixes K, M, G (default: 1G, or none when saving bodies)",
    )  # fmt: skip

    group = parser.add_argument_group("concurrency, timeouts and retries")
    group.add_argument(
        "-j", "--concurrency", type=positive, default=64, metavar="N", help="maximum concurrent fetches (default: 64)"
    )
    group.add_argument(
        "--per-host", type=positive, default=8, metavar="N", help="maximum concurrent fetches per host (default: 8)"
    )
    group.add_argument(
        "--processes", type=positive, metavar="N", help="fetch in N child processes (default: in this process)"
    )
    group.add_argument(
        "--cluster", type=cluster, metavar="ADDRESS",
        help="fetch on the workers of a Dask cluster: tcp://HOST:PORT, tls://HOST:PORT or local[:WORKERS]",
    )  # fmt: skip
    group.add_argument(
        "--connect-timeout",
        type=time_limit,
        default=15.0,
        metavar="SECONDS",
        help="maximum time for connecting (default: 15; 0: no limit)",
    )
    group.add_argument(
        "-m",
        "--max-time",
        type=seconds,
        metavar="SECONDS",
        help="maximum time for one attempt (default: 300, or none when saving bodies; 0: no limit)",
    )
    group.add_argument(
        "--retry", type=count, default=0, metavar="N", help="retry transient failures up to N times (default: 0)"
    )
    group.add_argument(
        "--retry-delay",
        type=seconds,
        default=1.0,
        metavar="SECONDS",
        help="maximum delay before the first retry, doubled for each further one (default: 1)",
    )

    group = parser.add_argument_group("connection (as in curl)")
    group.add_argument(
        "-x", "--proxy", type=proxy, metavar="URL", help="http, https, socks5 or socks5h proxy; '' for none"
    )
    group.add_argument(
        "-k", "--insecure", action=argparse.BooleanOptionalAction, default=False, help="do not verify TLS certificates"
    )
    group.add_argument(
        "--cacert", type=readable, metavar="FILE", help="trust the CA certificates in FILE instead of the default ones"
    )
    group.add_argument("--cert", type=readable, metavar="FILE", help="client certificate")
    group.add_argument("--key", type=readable, metavar="FILE", help="private key of the client certificate")
    group.add_argument(
        "--transport", type=transport, choices=CLIENTS, default="auto",
        help="HTTP client; auto (default): fast if it is installed and supports the other options, else"
        " httpx",
    )  # fmt: skip
    group.add_argument("--http2", action=argparse.BooleanOptionalAction, default=False, help="offer HTTP/2 over TLS")
    add_access_options(parser)
    add_pace_options(parser)
    add_save_options(parser)
    return parser


def parse(
    argv: Sequence[str],
    *,
    stdout_is_terminal: bool,
    environ: Mapping[str, str] = os.environ,
    of_run: Sequence[str] = (),
) -> Options:
    """Read the command line, and before it the settings of the file and the environment.

    of_run: between them, what the run was given that is to go on.
    Raises SystemExit with 2 after a message on standard error, with 0 after --help; OSError if the help cannot be
    written.
    """
    parser = make_parser(Parser)
    end = argv.index("--") if "--" in argv else len(argv)
    try:
        given, keys, fixed = with_settings(parser, make_parser(Checker), line(argv), environ, of_run)
    except ConfigError as error:
        print_error(str(error))
        sys.exit(2)
    inputs = [*given.inputs, *(url for url in given.urls if url == "-")]
    urls = [*(url for url in given.urls if url != "-"), *argv[end + 1 :]]
    headless = given.headless or not stdout_is_terminal
    idle = idle_option(given.typed, no_screen=given.headless, opens_screen=not headless)
    if idle is not None:
        parser.error(idle)
    if given.history and (urls or inputs):
        parser.error("argument --history: it only lists the runs that were saved, and fetches nothing")
    if inputs.count("-") > 1:
        parser.error("standard input can be read only once")
    if "-" in inputs and "@-" in given.data:
        parser.error("standard input cannot be both list of URLs and request body")
    if given.resume is not None and (given.demo or not given.store):
        parser.error("argument --resume: the demo and runs with --no-store are not saved")
    if headless and not (urls or inputs or given.demo or given.history or given.resume is not None):
        parser.error("no URL given; -i FILE or - reads a list")
    if given.key and not given.cert:
        parser.error("argument --key: it needs --cert")
    headers = tuple(given.headers)
    if given.user_agent is not None:
        headers = merge_headers(headers, [("User-Agent", given.user_agent)])
    try:
        access = read_access(given)
        headers += credential_headers(given, environ, headers)
        pace = read_pace(given)
        save = read_save(given, urls, only_urls=not inputs, headless=headless)
        check_standard_output(given, save)
    except ValueError as error:
        parser.error(str(error))
    try:
        body = read_body(given.data)
    except OSError as error:
        parser.error(f"argument -d/--data: cannot read {error.filename}: {error.strerror}")
    if given.data and not any(name.lower() == "content-type" for name, _ in headers):
        headers += (("Content-Type", "application/x-www-form-urlencoded"),)
    return Options(
        urls=tuple(urls),
        inputs=tuple(inputs),
        headless=headless,
        demo=given.demo,
        exit_report=given.exit_report,
        fps=given.fps or 4.0,
        ascii=given.ascii,
        method=given.request or ("POST" if given.data else "GET"),
        headers=headers,
        body=body,
        follow_redirects=given.location,
        max_redirects=given.max_redirs,
        max_filesize=given.max_filesize,
        connect_timeout=given.connect_timeout,
        max_time=max_time(given, save),
        retries=given.retry,
        retry_delay=given.retry_delay,
        concurrency=given.concurrency,
        per_host=given.per_host,
        proxy=given.proxy,
        insecure=given.insecure,
        cacert=given.cacert,
        cert=given.cert,
        key=given.key,
        http2=given.http2,
        access=access,
        save=save,
        pace=pace,
        theme=given.theme or "auto",
        mouse=given.mouse,
        max_rows=given.max_rows,
        keys=keys,
        fixed=fixed,
        resume=given.resume,
        history=given.history,
        store=given.store and not given.demo and not save.to_stdout,
        store_secrets=given.store_secrets,
        store_days=given.store_days,
        store_size=given.store_size,
        arguments=tuple(argv),
        setting_arguments=tuple(given.of_settings),
        format=given.format or "ndjson",
        reports=tuple(given.reports),
        fail_on=given.fail_on,
        show_secrets=given.show_secrets,
        silent=given.silent,
        input_format=given.input_format,
        globoff=given.globoff,
        processes=given.processes,
        cluster=given.cluster,
        transport=given.transport,
    )


def line(argv: Sequence[str]) -> list[str]:
    """The command line up to `--`, as the parser is to read it."""
    return _without_greed(argv[: argv.index("--") if "--" in argv else len(argv)])


def _without_greed(argv: Sequence[str]) -> list[str]:
    """`--resume URL` means the newest run, and a URL."""
    return [
        "--resume=" if argument == "--resume" and not "".join(argv[at + 1 : at + 2]).isdigit() else argument
        for at, argument in enumerate(argv)
    ]
