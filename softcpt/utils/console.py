"""Runs commands: prints their log, and ends them with one line and status 2 on a user's mistake,
with status 130 on an interruption."""

from __future__ import annotations

import logging
import os
import select
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any, TextIO

from softcpt.errors import UserError, in_one_line
from softcpt.utils.os_errors import described

_NOBODY_READS = 141  # the status of a shell's command that SIGPIPE ended


class _ConsoleHandler(logging.Handler):
    """Prints messages as they are; sys.stdout is looked up each time, since logs and tests replace
    it."""

    def emit(self, record: logging.LogRecord) -> None:
        stream = sys.stderr if record.levelno >= logging.WARNING else sys.stdout
        print(self.format(record), file=stream)


def show_messages() -> None:
    """Print what softcpt's modules log: progress on stdout, warnings on stderr. Later calls do
    nothing.

    Commands and Dassl's trainers do this; a program that uses the library decides for itself.
    """
    log = logging.getLogger("softcpt")
    if not any(isinstance(handler, _ConsoleHandler) for handler in log.handlers):
        log.addHandler(_ConsoleHandler())
        log.setLevel(logging.INFO)


def hide_bars() -> None:
    """Draw no progress bars where stderr is no terminal: in files and logs of jobs each step of one
    would stay. To be called before tqdm is imported."""
    if not sys.stderr.isatty():
        os.environ.setdefault("TQDM_DISABLE", "1")


def run_command(command: Callable[[], int | None], debug: bool = False) -> None:
    """Run ``command`` and exit with its status; ``debug`` lets tracebacks through."""
    show_messages()
    try:
        status = command()
        sys.stdout.flush()
    except UserError as error:
        if debug:
            raise
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            _end_if_nobody_reads()
        if debug:
            raise
        print(f"error: {in_one_line(described(error))}", file=sys.stderr)
        sys.exit(2)
    except UnicodeEncodeError as error:
        if debug:
            raise
        name = in_one_line(error.object)
        print(f"error: {name}: a name that is not in UTF-8; rename it", file=sys.stderr)
        sys.exit(2)
    except ValueError as error:
        if debug or not str(error).startswith("embedded null"):  # what Python says of such a path
            raise
        print("error: a path or name holds a NUL character; leave it out", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        if debug:
            raise
        print("interrupted; the same command continues from here", file=sys.stderr)
        sys.exit(130)
    if status:
        sys.exit(status)


def _end_if_nobody_reads() -> None:
    """Exit as other programs do whose output went to one that has ended (``... | head``); return if
    it was another pipe."""
    output = sys.stdout.fileno()
    state = select.poll()
    state.register(output, 0)
    if any(event & select.POLLERR for _, event in state.poll(0)):
        # What is left in the buffer is written at exit, to nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), output)
        sys.exit(_NOBODY_READS)


class _Tee:
    """A console that also writes to a file."""

    def __init__(self, console: TextIO, file: TextIO) -> None:
        self._console, self._file = console, file

    def write(self, text: str) -> int:
        self._file.write(text)
        return self._console.write(text)

    def flush(self) -> None:
        self._file.flush()
        self._console.flush()

    def __getattr__(self, name: str) -> Any:  # isatty, encoding, fileno: what its console is
        return getattr(self._console, name)


@contextmanager
def logged(path: Path) -> Iterator[None]:
    """Write what is printed to the end of ``path`` too, line by line.

    Dassl's ``setup_logger`` begins another file where one exists. The field's result parsers read
    only log.txt, and a run that was stopped and continued is one run.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with (
        open(path, "a", buffering=1, encoding="utf-8") as file,
        redirect_stdout(_Tee(sys.stdout, file)),
    ):
        yield
