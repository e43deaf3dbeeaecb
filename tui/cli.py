"""The program `weakfetch-tui`: reads the command line, then opens the dashboard or works without it."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence

from tui.complaint import complain
from tui.options import parse


def main(argv: Sequence[str] | None = None) -> int:
    """Run with these arguments (default: the command line's) and return the exit code. Raises nothing."""
    try:
        _occupy_standard_descriptors()
        try:
            return _run(list(sys.argv[1:] if argv is None else argv))
        except SystemExit as end:  # argparse: help, version, usage
            return _flushed(end.code if isinstance(end.code, int) else 0)
    except KeyboardInterrupt:
        complain("interrupted")
        return 130


def _run(argv: Sequence[str]) -> int:
    options = parse(argv, stdout_is_terminal=os.isatty(1))
    # Imported only now: --help and --version need not wait for Textual and the HTTP stack.
    if options.headless:
        from tui.headless import run

        return run(options)
    from tui.dashboard import run_dashboard

    return run_dashboard(options)


def _occupy_standard_descriptors() -> None:
    """Where 0, 1 or 2 is closed, the next socket would get its number, and our output with it."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            # Read only: writing to it fails, as to a closed one.
            os.open(os.devnull, os.O_RDONLY)


def _flushed(code: int) -> int:
    """The code, or 1 if what was printed does not go out; the interpreter's own flush must find nothing left."""
    try:
        sys.stdout.flush()
    except OSError as error:
        if error.errno != errno.EPIPE:
            complain(f"cannot write: {error.strerror}")
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 1
    except AttributeError:  # no standard output at all
        pass
    return code


if __name__ == "__main__":
    sys.exit(main())
