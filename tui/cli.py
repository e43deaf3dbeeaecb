"""The program `weakfetch-tui`: reads the command line, then opens the dashboard or works without it."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence

from tui.run.gc_at_start import collector_rests
from tui.text.stderr import print_error


def main(argv: Sequence[str] | None = None) -> int:
    """Run with these arguments (default: the command line's) and return the exit code."""
    with collector_rests():
        return _main(argv)


def _main(argv: Sequence[str] | None) -> int:
    from tui.options.table import parse

    try:
        _occupy_standard_descriptors()
        try:
            options = parse(list(sys.argv[1:] if argv is None else argv), stdout_is_terminal=os.isatty(1))
        except SystemExit as end:  # help, version, usage
            return end.code if isinstance(end.code, int) else 0
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOMEM):  # of an import
                raise
            return _cannot_print(error)
        if options.resume is not None:
            from tui.run.resumed_options import with_options_of_run

            try:
                options = with_options_of_run(options, stdout_is_terminal=os.isatty(1))
            except SystemExit as end:
                return end.code if isinstance(end.code, int) else 2
            except ValueError as error:
                print_error(str(error))
                return 2
        from tui.run.shortage import too_little

        if (lack := too_little(options)) is not None:
            print_error(lack)
            return 2
        # Imported only now: --help and --version need not wait for Textual and the HTTP stack.
        if options.history:
            from tui.headless.history_table import print_history

            return print_history()
        if options.headless:
            from tui.headless.run import run

            return run(options)
        from tui.screen.main import run_dashboard

        return run_dashboard(options)
    except KeyboardInterrupt:
        print_error("interrupted")
        return 130
    except Exception as error:
        from tui.run.shortage import shortage

        why = shortage(error)
        if why is None:
            raise
        print_error(why)
        return 2


def _occupy_standard_descriptors() -> None:
    """Where 0, 1 or 2 is closed, the next socket would get its number, and our output with it."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            # Read only: writing to it fails, as to a closed one.
            os.open(os.devnull, os.O_RDONLY)


def _cannot_print(error: OSError) -> int:
    if error.errno != errno.EPIPE:
        print_error(f"cannot write: {error.strerror}")
    # What is still buffered goes nowhere: flushing it at exit would fail once more, and not quietly.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return 1


if __name__ == "__main__":
    sys.exit(main())
