"""Reads the text of a configuration, as Dassl's logs and results.json hold it, into flat keys."""

from __future__ import annotations

import re

_LINE = re.compile(r"( *)([A-Za-z_]\w*):(?: (.*))?$")


def text_leaves(text: str) -> dict[str, str]:
    """Key ("A.B") -> value, as text, of an indented tree of "KEY: value" lines.

    yaml would refuse Dassl's print (``CTX_INIT:`` with nothing behind it stands for an empty
    string, words are not quoted), and takes seconds for a thousand files. Items of a block list are
    joined with commas.
    """
    path: list[tuple[int, str]] = []
    found: dict[str, str] = {}
    key = ""
    for line in text.splitlines():
        match = _LINE.match(line)
        if match:
            while path and path[-1][0] >= len(match[1]):
                path.pop()
            found.pop(".".join(name for _, name in path), None)  # a node, not a leaf
            path.append((len(match[1]), match[2]))
            key = ".".join(name for _, name in path)
            found[key] = (match[3] or "").strip().strip("'")
        elif key and line.strip().startswith("- "):
            found[key] = ", ".join(filter(None, [found[key], line.strip()[2:].strip("'")]))
    return found
