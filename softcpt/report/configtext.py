"""The text of a configuration, as Dassl's logs and results.json hold it, as flat keys."""

from __future__ import annotations

import re
from collections.abc import Mapping

_LINE = re.compile(r"( *)([A-Za-z_]\w*):(?: (.*))?$")
# What belongs to a method, not to the comparison: its optimiser, batches and options.
_OWN = ("OPTIM.", "DATALOADER.TRAIN_X.", "TRAIN.COUNT_ITER")


def leaves(text: str) -> dict[str, str]:
    """ "A.B" -> value, as text, of an indented tree of "KEY: value" lines.

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


def own_settings(config: Mapping[str, str], method: str) -> dict[str, str]:
    """The settings of ``config`` that are a method's own: of ``TRAINER.*`` the nodes of its name or
    its trainer's.

    ``SoftCPT-NATS`` has the node SOFTCPT, a trainer MTCoOp the node MTCOOP; keys of no node count,
    too.
    """
    nodes = {method.split("-", maxsplit=1)[0].upper(), config.get("TRAINER.NAME", "").upper()}
    return {
        key: value
        for key, value in config.items()
        if key.startswith(_OWN) or _of_trainer(key.split("."), nodes)
    }


def _of_trainer(parts: list[str], nodes: set[str]) -> bool:
    return parts[0] == "TRAINER" and (
        parts[1] in nodes if len(parts) == 3 else parts[1:] != ["NAME"]
    )
