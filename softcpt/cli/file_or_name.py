"""The words of ``softcpt grid`` and ``transfer``: a file or its name, then KEY VALUE pairs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from softcpt import plugins
from softcpt.errors import UserError
from softcpt.grid.grid_file import FOLDERS, named_file

# A first word that is no file or name: a setting, as SEED or TRAINER.MINE.alpha.
_SETTING = re.compile(r"[A-Z][A-Z0-9_]*(\.\w+)*$")


def names_of(what: str) -> str:
    """The project's own grid or study files, by name."""
    return ", ".join(plugins.config_names(FOLDERS[what]))


def file_and_pairs(words: Sequence[str], what: str) -> tuple[Path | None, list[str]]:
    """A command line's yaml file, if its first word is no KEY, and its KEY VALUE pairs.

    Args:
        words: file or name of one of the project's, KEY, VALUE, ...
        what: "grid file" or "study file".

    Raises:
        UserError: the project has none of that name, or a KEY has no VALUE.
    """
    file, pairs = None, list(words)
    if pairs and not _SETTING.match(pairs[0]):
        file = named_file(pairs.pop(0), what)
    if len(pairs) % 2:
        raise UserError(
            f"command line: '{pairs[-1]}' has no value; give a {what} or its name, then KEY VALUE "
            "pairs"
        )
    return file, pairs
