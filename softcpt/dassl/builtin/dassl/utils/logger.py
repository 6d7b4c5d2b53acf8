"""What is printed also goes to ``log.txt``."""

from __future__ import annotations

import os
import sys
import time
from typing import Any, TextIO

from .tools import mkdir_if_missing


class Logger:
    """A console that also writes to a file, line by line, so that a killed run leaves a complete
    log.

    The console stays open whatever happens to the logger.
    """

    def __init__(self, fpath: str | None = None) -> None:
        self.console: TextIO = sys.stdout
        self.file = None if fpath is None else _open_unused(fpath)

    def write(self, msg: str) -> int:
        """Write to both."""
        written = self.console.write(msg)
        if self.file is not None:
            self.file.write(msg)
        return written

    def flush(self) -> None:
        """Flush both."""
        self.console.flush()
        if self.file is not None:
            self.file.flush()

    def close(self) -> None:
        """Close the file only. Whatever is printed later reaches the console alone."""
        if self.file is not None:
            self.file.close()
            self.file = None

    def __getattr__(self, name: str) -> Any:
        # isatty, encoding, fileno, ...: a logger is asked what its console is.
        if name == "console":
            raise AttributeError(name)
        return getattr(self.console, name)


def _open_unused(fpath: str) -> TextIO:
    """Open ``fpath``, or when it exists ``fpath`` with the time appended. Never overwrites."""
    mkdir_if_missing(os.path.dirname(fpath))
    try:
        return open(fpath, "x", buffering=1, encoding="utf-8")
    except FileExistsError:
        return open(fpath + time.strftime("-%Y-%m-%d-%H-%M-%S"), "a", buffering=1, encoding="utf-8")


def setup_logger(output: str | None = None) -> None:
    """Copy everything printed from now on to ``<output>/log.txt``, or to ``output`` if it ends in
    .txt or .log.

    A file that exists is kept: the new one is called ``log.txt-YYYY-mm-dd-HH-MM-SS``. None does
    nothing. A logger set up earlier in this process is closed, so that its file does not receive
    another run's lines.
    """
    if output is None:
        return
    path = output if output.endswith((".txt", ".log")) else os.path.join(output, "log.txt")
    if isinstance(sys.stdout, Logger):
        sys.stdout.close()
        sys.stdout = sys.stdout.console
    sys.stdout = Logger(path)
