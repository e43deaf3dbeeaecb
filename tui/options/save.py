"""Options of the command line that save bodies to files; as in curl.

Imports nothing that `--help` would have to wait for.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fetch_engine.bodies.shared_folder import SharedFolder


STDOUT_NAME = "-"
MAX_TIME = 300.0  # seconds, where nothing is saved


@dataclass(frozen=True, slots=True)
class Save:
    """What these options ask for, in the terms of `fetch_engine.bodies.save_to.SaveTo`.

    output: a path, in which #1 stands for the text of the first glob; "-" for standard output. folder: that of
    --output-dir; None without, where output may be given all the same. checksum: as `sha256:HEX`.
    """

    folder: str | None = None
    output: str | None = None
    by_header: bool = False
    resume: bool = False
    sync: bool = False
    checksum: str | None = None
    raw: bool = False
    sink: SharedFolder | None = None

    @property
    def saves(self) -> bool:
        """Whether bodies go to files, or to standard output."""
        return self.folder is not None or self.output is not None

    @property
    def to_stdout(self) -> bool:
        """Whether the body is what goes to standard output, and results do not."""
        return self.output == STDOUT_NAME


def add_save_options(parser: argparse.ArgumentParser) -> None:
    """Tell the parser about them."""
    group = parser.add_argument_group("saving bodies (as in curl)")
    group.add_argument(
        "-o", "--output", metavar="FILE",
        help="save the body of the only URL as FILE, replacing an existing one; #1 stands for the text of the first []"
        " or {} of the URL; '-' writes the body to standard output, in place of results",
    )  # fmt: skip
    group.add_argument(
        "-O", "--remote-name", action="store_true",
        help="save bodies of 2xx responses under the name in the URL; existing files are kept, the new one is numbered",
    )  # fmt: skip
    group.add_argument(
        "--output-dir", metavar="DIR", help="folder to save in, created if missing; implies -O unless -o is given"
    )
    group.add_argument(
        "-J", "--remote-header-name", action="store_true", help="use the file name given in the response"
    )
    group.add_argument(
        "-C", "--continue-at", choices=["-"], metavar="-",
        help="'-': resume partial files of an earlier run if the server proves that the content is unchanged; replaces"
        " files of earlier runs",
    )  # fmt: skip
    group.add_argument("--fsync", action="store_true", help="flush each file to disk before giving it its final name")
    group.add_argument(
        "--sink", type=_sink, metavar="FOLDER-or-URL",
        help="with --cluster: workers save bodies of 2xx responses there, under new names; a folder that all of them"
        " share, or s3://, gs://, sftp://, ... (needs the extra `sink`)",
    )  # fmt: skip
    group.add_argument(
        "--checksum", metavar="ALGORITHM:HEX",
        help="fail unless the body of the only URL has this hash; computed over the bytes as saved, i.e. decoded unless"
        " --raw is given or the name or type says that the file itself is compressed, as with .tar.gz",
    )  # fmt: skip
    group.add_argument(
        "--raw", "--no-decode", action="store_true", help="keep bodies as received, without decoding content codings"
    )


def _sink(text: str) -> SharedFolder:
    from fetch_engine.bodies.shared_folder import SharedFolder

    try:
        return SharedFolder(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def read_save(given: Any, urls: Sequence[str], *, only_urls: bool, headless: bool) -> Save:
    """What was given. only_urls: whether there are no lists of URLs. Raises ValueError."""
    output = given.output
    if output is not None and _is_standard_output(output):
        output = STDOUT_NAME
        if not headless:
            raise ValueError("argument -o/--output: standard output is the screen; --headless has none")
    for option, value in (("-o/--output", output), ("--checksum", given.checksum)):
        if value is not None and not (only_urls and len(urls) == 1):
            raise ValueError(f"argument {option}: it takes exactly one URL")
        if value is not None:
            _check_globs(option, value, urls[0], globoff=given.globoff)
    if given.sink is not None:
        if given.cluster is None:
            raise ValueError("argument --sink: it needs --cluster; here -O and --output-dir save bodies")
        if given.output or given.remote_name or given.output_dir:
            raise ValueError("argument --sink: not with -o, -O or --output-dir, which say themselves where to")
    if given.checksum is not None:
        from fetch_engine.model.checksum import Checksum

        Checksum.parse(given.checksum)
    if output is not None:
        _check_output(given, output)
    elif not given.remote_name and given.output_dir is None:
        if given.remote_header_name or given.continue_at or given.fsync:
            raise ValueError("-J, -C and --fsync need -o, -O or --output-dir")
        return Save(checksum=given.checksum, sink=given.sink, raw=given.raw)
    return Save(
        folder=given.output_dir or (None if output is not None else "."),
        output=output,
        by_header=given.remote_header_name,
        resume=given.continue_at is not None,
        sync=given.fsync,
        checksum=given.checksum,
        raw=given.raw,
    )


def check_standard_output(given: Any, save: Save) -> None:
    """Standard output has one use. Raises ValueError where two things are to go there."""
    for name, path in given.reports:
        if _is_standard_output(path):
            raise ValueError(f"argument --report: standard output has the results; --format {name} has them so")
    if given.cookie_jar is not None and _is_standard_output(given.cookie_jar):
        raise ValueError("argument -c/--cookie-jar: standard output has the results; name a file")
    if not save.to_stdout:
        return
    if given.format is not None:
        raise ValueError(f"argument -o/--output: --format has results go there; --report {given.format}:FILE does not")
    if given.processes is not None or given.cluster is not None:
        raise ValueError("argument -o/--output: not with --processes or --cluster: standard output is here")


def max_time(given: Any, save: Save) -> float | None:
    """Seconds for one attempt. What is saved may take as long as it goes on coming, unless a limit is given."""
    if given.max_time is None:
        return None if save.saves else MAX_TIME
    return given.max_time or None


def names_file(output: str) -> bool:
    """Whether a path has a name at its end, and leads to no folder above that of --output-dir by itself."""
    return os.path.basename(output) not in ("", ".", "..")


def _is_standard_output(path: str) -> bool:
    from fetch_engine.files.output_files import is_standard_output

    return is_standard_output(path)


def _check_output(given: Any, output: str) -> None:
    if given.remote_name or given.remote_header_name:
        raise ValueError("argument -o/--output: not with -O or -J, which name the file themselves")
    if not names_file(output):
        raise ValueError(f"argument -o/--output: not a file name: {output!r}")
    if output == STDOUT_NAME:
        if given.continue_at is not None or given.fsync or given.output_dir is not None or given.resume is not None:
            raise ValueError("argument -o/--output: '-' goes with neither -C, --fsync, --output-dir nor --resume")
    elif given.output_dir is not None and (os.path.isabs(output) or ".." in output.split("/")):
        raise ValueError("argument -o/--output: a path within --output-dir is relative and has no '..'")


def _check_globs(option: str, value: str, url: str, *, globoff: bool) -> None:
    from fetch_engine.curl.globbing import GlobError, parse_glob

    try:
        glob = None if globoff else parse_glob(url)
    except GlobError:
        return  # told of where URLs are read
    if glob is None or glob.count == 1:
        return
    if option == "--checksum":
        raise ValueError(f"argument {option}: it takes exactly one URL, not {glob.count}")
    if value == STDOUT_NAME:
        raise ValueError(f"argument {option}: standard output takes one body, not {glob.count}")
    if (each := glob.same_name(value)) > 1:
        raise ValueError(
            f"argument {option}: {value!r} would name {each} files; #1 in it is the text of the first [] or {{}}"
        )
