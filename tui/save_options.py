"""Options of the command line that save bodies to files; as in curl.

Imports nothing that `--help` would have to wait for.
"""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fetch_engine.sink import Sink


@dataclass(frozen=True, slots=True)
class Save:
    """What these options ask for, in the terms of `fetch_engine.downloads.SaveTo`. checksum: as `sha256:HEX`."""

    folder: str | None = None  # None: bodies are not saved
    name: str | None = None
    by_header: bool = False
    overwrite: bool = False
    resume: bool = False
    sync: bool = False
    checksum: str | None = None
    sink: Sink | None = None


def add_save_options(parser: argparse.ArgumentParser) -> None:
    """Tell the parser about them."""
    group = parser.add_argument_group("saving bodies, as in curl")
    group.add_argument(
        "-o", "--output", metavar="FILE", help="save the body of the one URL as FILE, in place of what it is"
    )
    group.add_argument(
        "-O", "--remote-name", action="store_true",
        help="save bodies of 2xx responses as the URL names them; a file that is there stays, the new one is numbered",
    )  # fmt: skip
    group.add_argument("--output-dir", metavar="DIR", help="where to (with it -O is the default); made where missing")
    group.add_argument("-J", "--remote-header-name", action="store_true", help="the response may name its file")
    group.add_argument(
        "-C", "--continue-at", choices=["-"], metavar="-",
        help="'-': go on with what an earlier run left, if the server proves that it is the same; replaces files",
    )  # fmt: skip
    group.add_argument("--fsync", action="store_true", help="have each file on the disk before it gets its name")
    group.add_argument(
        "--sink", type=_sink, metavar="FOLDER-or-URL",
        help="with --cluster: the workers save bodies of 2xx responses there, under names that are new; a folder that"
        " all share, or s3://, gs://, sftp://, ... (needs the extra `sink`)",
    )  # fmt: skip
    group.add_argument("--checksum", metavar="ALGORITHM:HEX", help="fail unless the body of the one URL hashes to this")


def _sink(text: str) -> Sink:
    from fetch_engine.sink import Sink

    try:
        return Sink(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def read_save(given: Any, *, one_url: bool) -> Save:
    """What was given. one_url: whether exactly one URL was. Raises ValueError."""
    for option, value in (("-o/--output", given.output), ("--checksum", given.checksum)):
        if value is not None and not one_url:
            raise ValueError(f"argument {option}: it takes exactly one URL")
    if given.sink is not None:
        if given.cluster is None:
            raise ValueError("argument --sink: it needs --cluster; here -O and --output-dir save bodies")
        if given.output or given.remote_name or given.output_dir:
            raise ValueError("argument --sink: not with -o, -O or --output-dir, which say themselves where to")
    if given.checksum is not None:
        from fetch_engine.checksum import Checksum

        Checksum.parse(given.checksum)
    if given.output is not None:
        if given.remote_name or given.remote_header_name:
            raise ValueError("argument -o/--output: not with -O or -J, which name the file themselves")
        folder, name = os.path.split(os.path.join(given.output_dir or "", given.output))
        if not name or name in (".", ".."):
            raise ValueError(f"argument -o/--output: {given.output!r} names no file")
    elif given.remote_name or given.output_dir is not None:
        folder, name = given.output_dir or "", None
    elif given.remote_header_name or given.continue_at or given.fsync:
        raise ValueError("-J, -C and --fsync need -o, -O or --output-dir")
    else:
        return Save(checksum=given.checksum, sink=given.sink)
    return Save(
        folder=folder or ".",
        name=name,
        by_header=given.remote_header_name,
        overwrite=name is not None,
        resume=given.continue_at is not None,
        sync=given.fsync,
        checksum=given.checksum,
    )
