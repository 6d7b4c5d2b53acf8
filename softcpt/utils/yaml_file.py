"""Reads yaml files that hold a mapping of keys."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from softcpt.errors import UserError, reason_of
from softcpt.utils.text_files import read_text

ENDINGS = (".yaml", ".yml")
# A file of a few lines can stand for more values than memory holds, by names that stand for lists
# of names (&a, *a). Configurations have some hundreds.
MOST_VALUES = 100_000


class WrittenInt(int):
    """A whole number of a yaml file that knows how it is written: 2023_10 may be meant as a name.

    Attributes:
        text: as in the file.
    """

    text = ""

    def __repr__(self) -> str:
        return self.text or int.__repr__(self)

    __str__ = __repr__


class WrittenFloat(float):
    """The same of another number: 1e5 may be meant as a name."""

    text = ""

    def __repr__(self) -> str:
        return self.text or float.__repr__(self)

    __str__ = __repr__


def plain(value: Any) -> Any:
    """A value of a yaml file, with Python's own numbers in it."""
    if isinstance(value, WrittenInt):
        return int(value)
    if isinstance(value, WrittenFloat):
        return float(value)
    if isinstance(value, (list, tuple)):
        return type(value)(plain(item) for item in value)
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return value


class _Loader(yaml.SafeLoader):
    """Builds plain values, and numbers that know how they are written; of a key that stands twice
    it does not take the last value in silence."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        """A mapping as it is written, before others are merged into it."""
        node: yaml.MappingNode = super().compose_mapping_node(anchor)
        seen = set()
        for key, _ in node.value:
            written = (key.tag, key.value) if isinstance(key, yaml.ScalarNode) else key
            if written in seen:
                raise yaml.composer.ComposerError(
                    None, None, f"key '{key.value}' stands twice in one mapping", key.start_mark
                )
            seen.add(written)
        return node

    def written_int(self, node: yaml.ScalarNode) -> WrittenInt:
        number = WrittenInt(self.construct_yaml_int(node))
        number.text = node.value
        return number

    def written_float(self, node: yaml.ScalarNode) -> WrittenFloat:
        number = WrittenFloat(self.construct_yaml_float(node))
        number.text = node.value
        return number


_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.written_int)
_Loader.add_constructor("tag:yaml.org,2002:float", _Loader.written_float)


def read_yaml(path: Path, what: str) -> Mapping[str, Any]:
    """The mapping in a yaml file; ``what`` it is called in messages. Numbers in it know how they
    are written.

    Raises:
        UserError: it is not valid yaml in UTF-8, no mapping, or stands for too many values.
        OSError: it cannot be read.
    """
    try:
        tree = yaml.load(read_text(path, what), _Loader) or {}
    except yaml.YAMLError as error:
        raise _invalid(path, what, reason_of(error)) from error
    except RecursionError as error:
        raise _invalid(path, what, "nested too deeply") from error
    except ValueError as error:  # a date that is none
        raise _invalid(path, what, reason_of(error)) from error
    if _count(tree, {}) > MOST_VALUES:
        raise _invalid(path, what, f"it stands for more than {MOST_VALUES:,} values")
    if not isinstance(tree, Mapping):
        raise UserError(
            f"{what} {path}: a mapping of keys is needed, as in {{OPTIM: {{LR: 0.002}}}}"
        )
    return tree


def _invalid(path: Path, what: str, reason: str) -> UserError:
    return UserError(f"{what} {path}: not valid yaml ({reason}); fix the file")


def _count(value: Any, counted: dict[int, int]) -> int:
    """How many values there would be if each stood where it is named; each is looked at once."""
    if not isinstance(value, (list, dict)):
        return 1
    if id(value) not in counted:
        counted[id(value)] = MOST_VALUES + 1  # what it counts as inside itself
        parts = [*value, *value.values()] if isinstance(value, dict) else value
        counted[id(value)] = 1 + sum(_count(part, counted) for part in parts)
    return counted[id(value)]
