"""Lists that are on the web: fetched whole by an engine of their own, before the URLs in them."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from fetch_engine import FetchCancelled, FetchFailed, FetchRequest
from tui.inputs.sitemap import MAX_BYTES
from tui.inputs.sources import ListFailed, UrlSource
from tui.options.save import MAX_TIME, Save
from tui.options.table import Options
from tui.run.engine_options import engine_for, request_for


def source_for(options: Options, descriptor: int) -> UrlSource:
    """The URLs of one list, as the options want it read."""
    return UrlSource([], [descriptor], form=options.input_format, fetch=partial(fetch_list, options))


async def fetch_list(options: Options, url: str) -> bytes:
    """The list at this URL, as the options have everything fetched, but by GET. Raises ListFailed."""
    request = request_for(options, url)
    # A list is bounded, whatever is saved.
    limit = options.max_time or MAX_TIME if options.save.saves else options.max_time
    plain = replace(options, processes=None, cluster=None, save=Save(), max_time=limit)
    engine = engine_for(plain, preview_size=MAX_BYTES)
    try:
        async with engine:
            result = await engine.submit(FetchRequest(url, headers=request.headers))
    except (FetchFailed, FetchCancelled) as failure:
        raise ListFailed(failure.error.message) from None
    if result.status != 200:
        raise ListFailed(f"{result.status} {result.reason}".strip())
    if not result.preview_complete:
        raise ListFailed(f"larger than {MAX_BYTES} bytes")
    return result.preview
