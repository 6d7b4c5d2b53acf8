"""Reads text, JSON and tables that others wrote: right, or one line that names file and place."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from softcpt.errors import UserError


def read_text(path: Path, what: str = "", remedy: str = "") -> str:
    """The text of a file in UTF-8, with or without a byte-order mark.

    Args:
        path: the file.
        what: it is called in messages ("split file"); "": nothing but its path.
        remedy: what else to do about a damaged one.

    Raises:
        UserError: it is of another encoding; line and remedy are named.
        OSError: it cannot be read.
    """
    content = path.read_bytes()
    save = f"save it as UTF-8, or {remedy}" if remedy else "save it as UTF-8"
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise UserError(f"{_named(path, what)}: UTF-16, not UTF-8; {save}")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        shown = content[error.start : error.start + 1].hex()
        raise UserError(
            f"{_named(path, what)} line {line}: not UTF-8 (byte 0x{shown}); {save}"
        ) from error


def read_json(path: Path, what: str, remedy: str) -> Any:
    """The value in a JSON file.

    Args:
        path: the file.
        what: it is called in messages.
        remedy: what to do about a damaged one.

    Raises:
        UserError: it is not JSON in UTF-8, or nested too deeply.
        OSError: it cannot be read.
    """
    try:
        return json.loads(read_text(path, what, remedy))
    except json.JSONDecodeError as error:
        reason = f"line {error.lineno}: not valid JSON ({error.msg})"
    except RecursionError:
        reason = "nested too deeply"
    except ValueError as error:  # a number of thousands of digits
        reason = _short(str(error))
    raise UserError(f"{_named(path, what)}: {reason}; {remedy}")


def read_table(path: Path, what: str = "") -> Iterator[tuple[int, dict[str, str]]]:
    """Number and cells of every line of a CSV file, by the names in its first line; what a short
    line lacks is "".

    Raises:
        UserError: it is not in UTF-8, or a cell has no end.
        OSError: it cannot be read.
    """
    lines = csv.DictReader(io.StringIO(read_text(path, what), newline=""), restval="")
    names = [name.strip() for name in _checked(lambda: lines.fieldnames, lines, path, what) or ()]
    lines.fieldnames = names
    while True:
        row = _checked(lambda: next(lines, None), lines, path, what)
        if row is None:
            return
        yield lines.line_num, {name: (row[name] or "").strip() for name in names}


def table_columns(path: Path, what: str = "") -> list[str]:
    """The names in the first line of a CSV file; none: it is empty.

    Raises:
        UserError, OSError: as :func:`read_table`.
    """
    lines = csv.DictReader(io.StringIO(read_text(path, what), newline=""))
    return [name.strip() for name in _checked(lambda: lines.fieldnames, lines, path, what) or ()]


def _checked(read: Any, lines: Any, path: Path, what: str) -> Any:
    try:
        return read()
    except csv.Error as error:
        raise UserError(
            f"{_named(path, what)} line {lines.line_num + 1}: {_short(str(error))}; close the "
            "quotation marks, and save it as CSV again"
        ) from error


def _named(path: Path, what: str) -> str:
    return f"{what} {path}" if what else str(path)


def _short(text: str) -> str:
    """In one line, and not longer than that."""
    text = " ".join(text.split())
    return text if len(text) <= 200 else f"{text[:200]} ..."
