"""Sets keys of the configuration: names of other code, types by the default, and messages that name
the nearest valid key."""

from __future__ import annotations

import ast
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import fields
from typing import Any

from yacs.config import CfgNode

from softcpt.engine.extension import as_read, extensions
from softcpt.engine.settings import setting_of
from softcpt.engine.steps import STEP_KEYS
from softcpt.errors import UserError
from softcpt.prompters import METHODS
from softcpt.utils.kinds import in_short
from softcpt.utils.suggest import did_you_mean, nearest
from softcpt.utils.yaml_file import WrittenFloat, WrittenInt, plain

_log = logging.getLogger(__name__)

OF_ALL_METHODS = "TRAINER.*.PREC"  # each method has a key of its own, and a comparison needs one


def leaves(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """("OPTIM.LR", 0.002), ... of a tree of mappings."""
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def set_key(cfg: CfgNode, key: str, value: Any, source: str, text: str | None = None) -> None:
    """Set one key of an existing leaf, with its type checked and aliases resolved.

    A key that a trainer's own file added is set itself, and so is ours that it is another name of.

    Args:
        cfg: the configuration; changed. Whose options ``key`` means may depend on its trainer.
        key: its name, here or in other code; or :data:`OF_ALL_METHODS`.
        value: of a type like the default's.
        source: where it is given, for messages.
        text: the value as it was typed: what a leaf of text takes.

    Raises:
        UserError: there is no such key, or the value is of another type.
    """
    if key == OF_ALL_METHODS:
        for node, options in cfg.TRAINER.items():
            if isinstance(options, CfgNode) and "PREC" in options:
                _set_leaf(cfg, f"TRAINER.{node}.PREC", value, f"{source}: {key}", text)
        return
    read, ours = as_read(str(cfg.TRAINER.NAME), key, value)
    own = resolve_alias(read)
    if read == key and _is_leaf(cfg, key) and own != key:
        _set_leaf(cfg, key, value, f"{source}: {key}", text)
        if not _is_leaf(cfg, own):
            return
    if any(key in extension.keys_without_effect for extension in extensions()):
        _log.info(f"{source}: {key} has no effect, in the published code either; it is left out")
        return
    if _is_fixed(key, ours, source):
        return
    if not _is_leaf(cfg, own):
        raise UserError(f"{source}: unknown key '{key}'; {_near(cfg, own)}")
    _set_leaf(cfg, own, ours, f"{source}: {key}", text if ours is value else None)
    if own == "OPTIM.MAX_EPOCH" or (own in STEP_KEYS and ours):
        for other in STEP_KEYS:  # a command that counts otherwise than a file
            if other != own and _is_leaf(cfg, other):
                _set_leaf(cfg, other, 0, source, None)


def _near(cfg: CfgNode, key: str) -> str:
    """What may have been meant by a key that there is not."""
    *nodes, leaf = key.split(".")
    known = [name for name, _ in leaves(cfg)]
    hint = did_you_mean(key, known, "`python train.py --show-config` lists all keys")
    others = [name for name, value in cfg.TRAINER.items() if isinstance(value, CfgNode)]
    if nodes[:-1] == ["TRAINER"] and nodes[1] not in others:
        known_node = nearest(nodes[1], others, cutoff=0.75)
        return (
            f"{hint + '; ' if known_node else ''}a trainer's own keys come from extend_cfg(cfg) in "
            f"its file: cfg.TRAINER.{nodes[1]} = CfgNode({{'{leaf}': ...}})"
        )
    return hint


def _node(cfg: CfgNode, key: str) -> CfgNode | None:
    """The node that holds ``key``; None: there is no such node."""
    node: Any = cfg
    for name in key.split(".")[:-1]:
        node = node.get(name) if isinstance(node, CfgNode) else None
    return node if isinstance(node, CfgNode) else None


def _is_leaf(cfg: CfgNode, key: str) -> bool:
    node, leaf = _node(cfg, key), key.rpartition(".")[2]
    return node is not None and leaf in node and not isinstance(node[leaf], CfgNode)


def _set_leaf(cfg: CfgNode, key: str, value: Any, place: str, text: str | None) -> None:
    """Set an existing leaf; ``place`` names it in messages."""
    node, leaf = _node(cfg, key), key.rpartition(".")[2]
    assert node is not None
    if isinstance(node[leaf], str) and text is not None:
        value = _unquoted(text)  # 2023_10 stays that, None is a word, {} a template
    elif isinstance(node[leaf], str) and isinstance(value, bool):
        value = _switch(value, key)
    node[leaf] = _coerce(value, node[leaf], place)


def _unquoted(text: str) -> str:
    """Text without the quotation marks of a Python literal, where it has them."""
    quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "'\""
    value = literal(text) if quoted else text
    return value if isinstance(value, str) else text


def literal(text: str) -> Any:
    """``text`` as a Python literal; itself where it is none."""
    try:
        return ast.literal_eval(text)
    # All that it may raise: of nested text, or of a list as a key, too.
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return text


def _switch(value: bool, key: str) -> Any:
    """The word, "on" or "off", where these are among a setting's choices: yaml reads both as
    booleans."""
    valid, word = setting_of(key).valid, "on" if value else "off"
    return word if valid is not None and word in valid.choices else value


def _is_fixed(key: str, value: Any, source: str) -> bool:
    """Whether ``key`` is one of other code that has a single value here.

    Raises:
        UserError: it is, and ``value`` is another.
    """
    for extension in extensions():
        if key in extension.fixed_keys:
            fixed, why = extension.fixed_keys[key]
            if value != fixed:
                raise UserError(
                    f"{source}: {key} is {in_short(value)}: {why}; leave it at {fixed!r}"
                )
            return True
    return False


def resolve_alias(key: str) -> str:
    """The reference's ``TRAINER.MTCOOP.PG_TYPE`` is our ``TRAINER.SOFTCPT.GENERATOR``."""
    for extension in extensions():
        key = extension.key_aliases.get(key, key)
    parts = key.split(".")
    if len(parts) != 3 or parts[0] != "TRAINER":
        return key
    node = parts[1]
    for extension in extensions():
        node = extension.node_aliases.get(node, node)
    for prompter, _ in METHODS.values():
        if prompter.__name__.upper() == node:
            for field in fields(prompter.Options):
                if parts[2] in field.metadata["aliases"]:
                    return f"TRAINER.{node}.{field.metadata['key'] or field.name.upper()}"
    return f"TRAINER.{node}.{parts[2]}"


def _are_like(items: Sequence[Any], old: Sequence[Any]) -> bool:
    """Whether the items of a list are of the types of the default's: numbers for numbers, whole
    ones for whole ones. An empty default does not say."""
    kinds = {type(item) for item in old}
    if float in kinds:
        kinds |= {int, WrittenInt, WrittenFloat}
    if int in kinds:
        kinds |= {WrittenInt}
    if kinds & {list, tuple}:
        kinds |= {list, tuple}
    return not old or all(type(item) in kinds for item in items)


def _coerce(value: Any, old: Any, place: str) -> Any:
    """``value`` in the type of the default ``old``: yaml reads 5e-4 and (224, 224) as text, and
    lists stand for tuples."""
    kind = type(old)
    if old is None or (type(value) is kind and kind not in (tuple, list)):
        return plain(value)
    if kind is int and isinstance(value, int) and not isinstance(value, bool):
        return int(value)
    if kind is float and isinstance(value, (int, float, str)) and not isinstance(value, bool):
        with suppress(ValueError, OverflowError):
            return float(value)
    if kind in (tuple, list) and isinstance(value, str):
        value = literal(value)
    if kind in (tuple, list) and isinstance(value, (tuple, list)) and _are_like(value, old):
        return kind(plain(value))
    if kind is str and isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)  # DATASET.NAME 101 is a name
    raise UserError(
        f"{place} is {in_short(value)} ({type(value).__name__}); its default {in_short(old)} is of "
        f"type {kind.__name__}, give one like it"
    )
