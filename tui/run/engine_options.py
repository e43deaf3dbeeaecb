"""From the command line to the engine: limits, timeouts, retries, transport and the request that each URL makes."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from fetch_engine import FetchRequest, Limits, RetryPolicy, Timeouts
from fetch_engine.bodies.spool import SpoolFolder
from fetch_engine.curl.globbing import GlobError, parse_glob
from fetch_engine.fetch.retry import RETRIED_STATUSES
from fetch_engine.files.output_files import STDOUT
from fetch_engine.libcurl.choice import FAST_MODULE, never_fast
from fetch_engine.model.checksum import Checksum
from fetch_engine.model.errors import AttemptFailed
from fetch_engine.model.limits import GIB, KIB
from fetch_engine.model.requests import InputTag, tag_of
from fetch_engine.model.save_to import SaveTo
from fetch_engine.model.transport_options import TransportOptions
from fetch_engine.net.interfaces import local_end
from fetch_engine.net.proxies import ProxyRules
from tui.inputs.requests import AskedUrl
from tui.options.cluster import cluster_executor
from tui.options.credential_files import read_jar, read_netrc
from tui.options.processes import process_executor
from tui.options.save import STDOUT_NAME, Save, names_file
from tui.options.table import Options

if TYPE_CHECKING:
    from fetch_engine import FetchEngine
    from fetch_engine.core.announcing import Announce

MOST_URLS = 1_000_000  # of one glob: each is written down before the first is fetched


def engine_for(
    options: Options,
    *,
    preview_size: int = 64 * KIB,
    spool: SpoolFolder | None = None,
    first_id: int = 1,
    announce: Announce | None = None,
) -> FetchEngine:
    """An engine as the options want it, not yet opened. Raises ValueError for a value or file that cannot be used."""
    from fetch_engine import FetchEngine  # only now: the screen need not wait for the engine's protocols

    return FetchEngine(**engine_settings(options, preview_size), spool=spool, first_id=first_id, announce=announce)


def engine_settings(options: Options, preview_size: int = 64 * KIB) -> dict[str, Any]:
    """What the options make of an engine's parameters. Raises ValueError as `engine_for`."""
    access, pace = options.access, options.pace
    transport = TransportOptions(
        proxy=options.proxy,
        # As curl does. The demo's server is on this machine, whatever proxy leads out of it.
        trust_env=not options.demo,
        no_proxy=access.no_proxy,
        verify=not options.insecure,
        ca_file=options.cacert,
        client_cert=options.cert,
        client_key=options.key,
        http2=options.http2,
        client=options.transport,
        ca_native=access.ca_native,
        min_tls=access.min_tls,
        max_tls=access.max_tls,
        resolve=access.resolve,
        connect_to=access.connect_to,
        interface=access.interface,
        ip_version=access.ip_version,
        address_filter=_address_filter() if access.deny_private else None,
    )
    _check(transport)
    return {
        "limits": Limits(
            concurrency=options.concurrency,
            per_host=options.per_host,
            max_redirects=options.max_redirects,
            max_body=_max_body(options),
            preview_size=preview_size,
            rate=pace.rate,
            host_rate=pace.host_rate,
            byte_rate=pace.byte_rate,
            host_byte_rate=pace.host_byte_rate,
            min_rate=pace.min_rate,
            min_rate_time=pace.min_rate_time,
            same_host=access.same_host,
            on_429=pace.on_429,
            max_host_wait=pace.max_host_wait,
        ),
        "timeouts": Timeouts(connect=options.connect_timeout, read=pace.read_timeout, total=options.max_time),
        "retry": RetryPolicy(
            retries=options.retries,
            statuses=RETRIED_STATUSES if pace.retry_on is None else pace.retry_on,
            delay=options.retry_delay,
            max_time=pace.retry_max_time,
            all_methods=pace.retry_all_methods,
        ),
        "transport": transport,
        "cookies": read_jar(access),
        "netrc": read_netrc(access),
        "sink": options.save.sink,
        "executor": cluster_executor(options) or process_executor(options),
    }


def _max_body(options: Options) -> int:
    """A body that goes to the disk is not bounded unless that is asked for."""
    if options.max_filesize is not None:
        return options.max_filesize
    return sys.maxsize if options.save.saves else GIB


def spool_folder() -> SpoolFolder:
    """Where the dashboard keeps long bodies: in the user's cache, which is on a disk where /tmp may be memory."""
    cache = os.environ.get("XDG_CACHE_HOME", "")
    if not os.path.isabs(cache):  # XDG Base Directory Specification: a relative path is to be ignored
        cache = os.path.expanduser("~/.cache")
    return SpoolFolder(os.path.join(cache, "weakfetch-tui", "spool"))


def request_for(options: Options, url: str, timeouts: Timeouts | None = None) -> FetchRequest:
    """The request that the options make of a URL, and of what the line of a list asks for beyond it."""
    save = options.save
    request = FetchRequest(
        str(url),
        method=options.method,
        headers=options.headers,
        body=options.body,
        timeouts=timeouts,
        follow_redirects=options.follow_redirects,
        trust_redirects=options.access.location_trusted,
        save=_save_to(save, url.output if isinstance(url, AskedUrl) else None),
        checksum=None if save.checksum is None else Checksum.parse(save.checksum),
        raw=save.raw,
    )
    return with_line(request, url)


def with_line(request: FetchRequest, url: str) -> FetchRequest:
    """The request with what the line that gave its URL names: its headers instead of those of the same name, its body,
    and POST for one that comes without a method, as of -d in curl."""
    if not isinstance(url, AskedUrl):
        return request
    names = {name.lower() for name, _ in url.headers}
    kept = tuple(pair for pair in request.headers if pair[0].lower() not in names)
    posts = url.body is not None and request.method == "GET"
    return replace(
        request,
        method=url.method or ("POST" if posts else request.method),
        headers=(*kept, *url.headers),
        body=request.body if url.body is None else url.body,
        invalid=url.invalid,
        tag=request.tag if url.id is None else InputTag(tag_of(request).index, url.id),
    )


def given_urls(options: Options) -> Iterator[str]:
    """The URLs of the command line, those with globs as all that they stand for; of a bad glob one that says why."""
    for text in options.urls:
        if options.globoff:
            yield text if options.save.output is None else AskedUrl.of(text, output=options.save.output)
            continue
        try:
            glob = parse_glob(text)
        except GlobError as error:
            yield AskedUrl.of(text, invalid=f"{error} (-g takes the URL as it is)")
            continue
        if glob.count > MOST_URLS:
            yield AskedUrl.of(text, invalid=f"a glob that makes {glob.count} URLs, more than {MOST_URLS}")
            continue
        if options.save.output is None:
            yield from glob
            continue
        for place, url in enumerate(glob):
            output = glob.named(options.save.output, place)
            if not names_file(output):
                raise ValueError(f"argument -o/--output: not a file name: {output!r}")
            yield AskedUrl.of(url, output=output)


def _save_to(save: Save, output: str | None) -> SaveTo | None:
    """output: what -o says of this URL; it says nothing of those that are added later."""
    if output == STDOUT_NAME:
        return SaveTo("", output, descriptor=STDOUT)
    if output is not None:
        folder, name = os.path.split(os.path.join(save.folder or "", output))
        return SaveTo(folder or ".", name, overwrite=True, resume=save.resume, sync=save.sync, within=save.folder)
    if save.folder is None or save.output is not None:
        return None
    return SaveTo(save.folder, by_header=save.by_header, resume=save.resume, sync=save.sync)


def _address_filter() -> Callable[[str], bool]:
    from fetch_engine.net.public_addresses import is_public

    return is_public


def _check(transport: TransportOptions) -> None:
    """Find out now what every single fetch would fail of."""
    ProxyRules(transport.proxy, trust_env=transport.trust_env)
    local_end(transport)
    _check_client(transport)
    if transport.ca_file is not None or transport.client_cert is not None or transport.ca_native:
        from fetch_engine.net.tls import build_ssl_context

        try:
            build_ssl_context(transport)
        except AttemptFailed as failure:
            raise ValueError(failure.message) from None


def _check_client(transport: TransportOptions) -> None:
    if transport.client != "fast":
        return
    if importlib.util.find_spec(FAST_MODULE) is None:
        raise ValueError("argument --transport: fast is not installed: pip install 'weakfetch-tui[fast]'")
    lacking = never_fast(transport)
    if lacking is not None:
        raise ValueError(f"argument --transport: fast has no {lacking}; auto takes httpx for it")
