"""What may have happened to a file: cut, bytes changed, other values in it."""

from __future__ import annotations

import json
import random
from typing import Any

# Values that a reader does not expect where something else stood.
HOSTILE: tuple[Any, ...] = (
    None,
    True,
    -1,
    10**30,
    float("inf"),
    float("nan"),
    1.5,
    "",
    "x" * 5000,
    "../../x",
    "a\0b",
    [],
    {},
    [[]],
    {"a": None},
)


def damaged(content: bytes, seed: int) -> bytes:
    """``content`` with one fault that ``seed`` draws."""
    draw = random.Random(seed)
    ways = [_cut, _flipped, _spliced, _deep]
    if _is_json(content):
        ways = [*ways, *[_other_value] * 8]
    return draw.choice(ways)(content, draw)


def _is_json(content: bytes) -> bool:
    try:
        return isinstance(json.loads(content), dict)
    except ValueError:
        return False


def _cut(content: bytes, draw: random.Random) -> bytes:
    return content[: draw.randrange(len(content))]


def _flipped(content: bytes, draw: random.Random) -> bytes:
    changed = bytearray(content)
    for _ in range(draw.choice([1, 1, 3, 20])):
        changed[draw.randrange(len(changed))] = draw.randrange(256)
    return bytes(changed)


def _spliced(content: bytes, draw: random.Random) -> bytes:
    first, second = sorted(draw.randrange(len(content)) for _ in range(2))
    return content[:first] + draw.randbytes(draw.randrange(40)) + content[second:]


def _deep(content: bytes, draw: random.Random) -> bytes:
    return draw.choice([b"[" * 100_000, b'{"a":' * 100_000, b"", b"\0" * 1000, b"PK" + content])


def _other_value(content: bytes, draw: random.Random) -> bytes:
    """A value of a JSON file, at any depth, is another or is gone."""
    tree = json.loads(content)
    places = list(_places(tree))
    holder, key = draw.choice(places)
    if draw.random() < 0.3:
        del holder[key]
    else:
        holder[key] = draw.choice(HOSTILE)
    return json.dumps(tree).encode()


def _places(tree: Any) -> Any:
    inner = tree.items() if isinstance(tree, dict) else enumerate(tree)
    for key, value in inner:
        yield tree, key
        if isinstance(value, (dict, list)):
            yield from _places(value)
