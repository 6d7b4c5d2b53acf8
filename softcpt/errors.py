"""The one exception that means "the user can fix this"."""

from __future__ import annotations

import re

_LONGEST = 2000  # characters of a message: the names of all data sets are fewer
_END = 300  # of them at the end, where a message says what to do
_LONGEST_NAME = 160  # of a name, or of another value that a message quotes
# A word that is no path, or what stands in quotes, which are no apostrophes.
_LONG_NAME = re.compile(r"(?<!\S)[^\s/,;]{200,}|(?<!\w)'[^']{200,}'(?!\w)")
_LONGEST_REASON = 300  # characters of what other code says


class UserError(Exception):
    """A mistake outside the program: a missing file, a misspelt key, a data set that is not there.

    The message names the thing, the place and the remedy in one line. Command lines print it
    without a traceback and exit with status 2; ``--debug`` shows the traceback.

    Example:
        >>> try:
        ...     softcpt.Task("pets", [])
        ... except softcpt.UserError as error:
        ...     print(error)
        task 'pets': it has no classes; give at least one class name
    """

    def __init__(self, message: str = "") -> None:
        super().__init__(in_one_line(message))


def in_one_line(text: str) -> str:
    """A text as one line that a terminal can show: values out of a file may be in it, of any length
    and with any characters."""
    line = " ".join(text.splitlines())
    if not line.isprintable():
        line = "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in line)
    line = _LONG_NAME.sub(lambda name: f"{name[0][:_LONGEST_NAME]} ...", line)
    if len(line) <= _LONGEST:
        return line
    return f"{line[: _LONGEST - _END]} ... {line[-_END:]}"


def reason_of(error: BaseException) -> str:
    """What an exception of other code says, in one short line; its type where it says nothing."""
    return " ".join(str(error).split())[:_LONGEST_REASON] or type(error).__name__


def named_reason_of(error: BaseException) -> str:
    """The same behind the exception's type."""
    return f"{type(error).__name__}: {reason_of(error)}"
