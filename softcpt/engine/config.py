"""The configuration: Dassl's tree, our keys, and messages that name the nearest valid key.

Merge order as in CoOp: defaults < data set yaml < trainer yaml < command-line flags < ``KEY VALUE``
    pairs.
"""

from __future__ import annotations

import ast
import functools
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

from yacs.config import CfgNode

from softcpt import dassl
from softcpt.engine.config_files import read_config, resolved
from softcpt.engine.extension import as_read, extensions
from softcpt.engine.settings import Use, out_of_range, setting_of
from softcpt.errors import UserError
from softcpt.prompters import METHODS
from softcpt.prompters.classifier import MethodOptions
from softcpt.utils.suggest import did_you_mean, nearest
from softcpt.utils.yaml_file import plain

_log = logging.getLogger(__name__)


def node_name(method: str) -> str:
    """The yaml node of a method's options: ``TRAINER.<node>`` ("SoftCPT-NATS" and "SoftCPT":
    SOFTCPT)."""
    return METHODS[method][0].__name__.upper()


def option_keys(options: type[MethodOptions]) -> dict[str, str]:
    """Yaml key -> option name of a method's options dataclass."""
    return {field.metadata["key"] or field.name.upper(): field.name for field in fields(options)}


def default_config() -> CfgNode:
    """Dassl's defaults with the keys of CoOp's and SoftCPT's train.py and ours."""
    dassl.activate()
    from dassl.config import get_cfg_default

    cfg = get_cfg_default()
    cfg.DATASET.SUBSAMPLE_CLASSES = "all"  # all, base or new (CoCoOp's base-to-new protocol)
    cfg.DATASET.SUBSAMPLE_TASKS = (
        "all"  # all, base, new, task<i>, task<i>,task<j> or all-but-task<i>
    )
    # Data sets that MultiTask merges, or in place of those of General10, Plant6 and RS8.
    cfg.DATASET.TASKS = ()
    cfg.DATASET.TASK_NAME = ""  # in place of the task's own name
    cfg.DATASET.TASK_NAMES = ()  # the same for each of DATASET.TASKS, "" for its own
    cfg.DATASET.TASK_DESCRIPTION = (
        ""  # of a single task, for TRAINER.SOFTCPT.TASK_TEXT; else its task_desc.txt
    )
    cfg.DATASET.TEMPLATE = (
        ""  # in place of the data set's prompt for zero-shot, with {} for the class name
    )
    # In place of data sets' own: "['hateful-memes=roc_auc', 'OxfordPets=accuracy']".
    cfg.DATASET.METRICS = ()
    cfg.DATASET.DRAW_SPLIT = False  # --draw-split: divide a data set whose split file is missing
    # An image of the split that is not on disk: stop, skip it, or skip-classes of which there is no
    # image at all.
    cfg.DATASET.ON_MISSING = "stop"
    cfg.OPTIM.REFERENCE_SCHEDULE = (
        False  # SoftCPT's published code: 3 or 4 optimiser and schedule steps in place of 1
    )
    cfg.TEST.PER_TASK_RESULT = True
    # predictions.npz: on, off, or auto: below 100,000 images.
    cfg.TEST.PREDICTIONS = "auto"
    cfg.FEATURES = CfgNode()
    cfg.FEATURES.MODE = (
        "bank"  # bank: each image is encoded once per view; online: at every step, as published
    )
    cfg.FEATURES.VIEWS = 0  # augmented views: 0 = every epoch its own, K = K views in turn
    cfg.FEATURES.FOLDER = ""  # of the bank; empty: the user's cache
    cfg.FEATURES.ON_ERROR = "stop"  # an unreadable image: stop, or skip it
    for method, (prompter, _) in METHODS.items():
        node = CfgNode()
        for key, name in option_keys(prompter.Options).items():
            default = prompter.Options.__dataclass_fields__[name].default
            node[key] = default if default is not MISSING else None
        node.PREC = (
            "fp16"  # fp32, fp16, bf16 or amp; fp16 on a CPU becomes fp32, as in OpenAI's loader
        )
        cfg.TRAINER[node_name(method)] = node
    for extension in extensions():
        extension.extend_cfg(cfg)
    return cfg


def method_options(cfg: CfgNode, method: str) -> dict[str, Any]:
    """Keyword options of ``build_prompter`` from ``TRAINER.<node>``; what the method's name fixes
    is left to it."""
    prompter, fixed = METHODS[method]
    node = cfg.TRAINER[node_name(method)]
    return {
        name: node[key] for key, name in option_keys(prompter.Options).items() if name not in fixed
    }


def merge_file(cfg: CfgNode, path: str | Path, above: tuple[Path, ...] = ()) -> None:
    """Merge a yaml file into ``cfg``; the file that its key ``_BASE_`` names (relative to it) comes
    before it. Where files are found: :mod:`softcpt.engine.config_files`.

    Raises:
        UserError: the file is missing or no mapping, or is its own base; a key is unknown; a value
            has another type than the default.
    """
    file, tree = read_config(path)
    if file in above:
        raise UserError(f"config file {file}: its _BASE_ leads back to itself; fix that key")
    if "_BASE_" in tree:
        merge_file(cfg, file.parent / str(tree["_BASE_"]), (*above, file))
    for key, value in leaves(tree):
        if key != "_BASE_":
            set_key(cfg, key, value, str(file))


def open_node(cfg: CfgNode, trainer: str, path: Path) -> None:
    """Give a trainer whose file has no ``extend_cfg`` the keys that its configuration file has
    below ``TRAINER.<TRAINER>``, with any values.

    Args:
        cfg: the configuration; changed.
        trainer: the registered name.
        path: of the configuration file, not merged yet.
    """
    node = trainer.upper()
    if node in cfg.TRAINER:
        return
    found: dict[str, Any] = {}
    place: Path | None = path
    seen: set[Path] = set()
    while place is not None and place not in seen:
        seen.add(place)
        file, tree = read_config(place)
        keys = tree.get("TRAINER", {}).get(node, {})
        found = {**keys, **found}
        place = resolved(file.parent / str(tree["_BASE_"])) if "_BASE_" in tree else None
    if found:
        cfg.TRAINER[node] = CfgNode(found)
        _say_once(
            f"trainer {trainer}: its file has no extend_cfg(cfg), so TRAINER.{node} has the keys "
            f"of {path} alone ({', '.join(found)}), and any value is taken"
        )


@functools.cache
def _say_once(text: str) -> None:
    _log.info(text)


def merge_pairs(cfg: CfgNode, pairs: Sequence[str]) -> None:
    """Merge ``KEY VALUE`` pairs of the command line; the type of the key decides how its value is
    read: as text, or else as a Python literal where it is one."""
    flag = next((text for text in pairs[::2] if text.startswith("--")), None)
    if flag:
        raise UserError(
            f"command line: '{flag}' stands behind KEY VALUE pairs; give flags before them"
        )
    if len(pairs) % 2:
        raise UserError(
            f"command line: '{pairs[-1]}' has no value; options behind the flags are KEY VALUE "
            "pairs"
        )
    for key, text in zip(pairs[::2], pairs[1::2]):
        try:
            value = ast.literal_eval(text)
        except (ValueError, SyntaxError):
            value = text
        set_key(cfg, key, value, "command line", text)


def set_key(cfg: CfgNode, key: str, value: Any, source: str, text: str | None = None) -> None:
    """Set one key of an existing leaf, with its type checked and aliases resolved.

    A key that a trainer's own file added is set itself, and so is ours that it is another name of.

    Args:
        cfg: the configuration; changed. Whose options ``key`` means may depend on its trainer.
        key: its name, here or in other code.
        value: of a type like the default's.
        source: where it is given, for messages.
        text: the value as it was typed: what a leaf of text takes.

    Raises:
        UserError: there is no such key, or the value is of another type.
    """
    read, ours = as_read(str(cfg.TRAINER.NAME), key, value)
    own = resolve_alias(read)
    if _is_leaf(cfg, key) and own != key:
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
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        try:
            value = ast.literal_eval(text)
        except (ValueError, SyntaxError):
            return text
        if isinstance(value, str):
            return value
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
                raise UserError(f"{source}: {key} is {value!r}: {why}; leave it at {fixed!r}")
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


def _coerce(value: Any, old: Any, place: str) -> Any:
    """``value`` in the type of the default ``old``: yaml reads 5e-4 and (224, 224) as text, and
    lists stand for tuples."""
    kind = type(old)
    if old is None or type(value) is kind:
        return plain(value)
    if kind is int and isinstance(value, int) and not isinstance(value, bool):
        return int(value)
    if kind is float and isinstance(value, (int, float, str)) and not isinstance(value, bool):
        try:
            return float(value)
        except ValueError:
            pass
    if kind in (tuple, list) and isinstance(value, str):
        with suppress(ValueError, SyntaxError):
            value = ast.literal_eval(value)
    if kind in (tuple, list) and isinstance(value, (tuple, list)):
        return kind(plain(value))
    if kind is str and isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)  # DATASET.NAME 101 is a name
    raise UserError(
        f"{place} is {value!r} ({type(value).__name__}); its default {old!r} is of type "
        f"{kind.__name__}, "
        f"give one like it"
    )


def check_values(cfg: CfgNode) -> None:
    """Refuse values outside the ranges of the table of settings, before anything runs.

    Raises:
        UserError: naming the first one's key, value and range.
    """
    wrong = next(out_of_range(dict(leaves(cfg))), None)
    if wrong is not None:
        raise UserError(f"configuration: {wrong}")


def leaves(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """("OPTIM.LR", 0.002), ... of a tree of mappings."""
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def differences(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> list[str]:
    """In which leaves two configurations differ: "KEY: a, not b" for each."""
    mine, others = (
        {key: list(v) if isinstance(v, tuple) else v for key, v in leaves(tree)}
        for tree in (ours, theirs)
    )
    return [
        f"{key}: {mine.get(key)!r}, not {others.get(key)!r}"
        for key in sorted(mine.keys() | others.keys())
        if mine.get(key) != others.get(key)
    ]


def run_settings(cfg: CfgNode) -> dict[str, Any]:
    """Key -> value of what a run's figures depend on: what a run that is continued must not
    change. Options of other methods are left out, so these may come and go between versions."""
    nodes = own_nodes(str(cfg.TRAINER.NAME))
    settings = {}
    for key, value in leaves(cfg):
        parts = key.split(".")
        of_another = parts[0] == "TRAINER" and len(parts) > 2 and nodes and parts[1] not in nodes
        if setting_of(key).use is not Use.NONE and not of_another:
            settings[key] = value
    return settings


def own_nodes(trainer: str) -> set[str]:
    """The nodes of ``TRAINER`` that a trainer reads; empty: unknown, as of CoOp's own trainers."""
    from dassl.engine import TRAINER_REGISTRY

    method = None
    if trainer in TRAINER_REGISTRY.registered_names():
        method = getattr(TRAINER_REGISTRY.get(trainer), "method", None)
    if method is None:
        return set()
    return {trainer.upper(), node_name(method)} if method in METHODS else {trainer.upper()}
