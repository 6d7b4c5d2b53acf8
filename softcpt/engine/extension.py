"""What a method, or a family of methods, adds to configuration and command line.

A file in trainers/ may have a name ``EXTENSION``::

    EXTENSION = Extension(
        extend_cfg=add_keys,                          # cfg.TRAINER.MINE = CfgNode({"WIDTH": 8})
        add_flags=add_flags,                          # parser.add_argument("--width", type=int)
        merge_flags=merge_flags,                      # cfg.TRAINER.MINE.WIDTH = args.width
        key_aliases={"TRAINER.MINE.W": "TRAINER.MINE.WIDTH"},
        trainer_aliases={"MyMethod": TrainerAlias("Mine")},
    )

or, as drop-in trainers of the CoOp family often have, a function ``extend_cfg(cfg)`` alone. What
all files of trainers/ add is there in every run, whichever trainer it has.
"""

from __future__ import annotations

import functools
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from yacs.config import CfgNode

from softcpt import plugins
from softcpt.engine.added_keys import add_keys, take_defaults


def _nothing(*_: object) -> None:
    pass


def _no_marks(_: Namespace) -> Sequence[tuple[str, str]]:
    return ()


@dataclass(frozen=True)
class TrainerAlias:
    """What a trainer of other code is here.

    Attributes:
        trainer: its registered name here.
        settings: key -> that code's default, where it is not ours.
    """

    trainer: str
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class OptionsOfNode:
    """The node in which a trainer's published code has its options, where it is another trainer's.

    Attributes:
        node: its name below TRAINER: with that trainer its keys are those of the trainer's own.
        switched: key -> what it is here where that code has it on and, second, off.
    """

    node: str
    switched: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)

    def own(self, node: str, key: str, value: Any) -> tuple[str, Any]:
        """``key`` and ``value`` as the trainer whose node is ``node`` has them."""
        head, _, name = key.rpartition(".")
        if head != f"TRAINER.{self.node}":
            return key, value
        if isinstance(value, bool) and name in self.switched:
            value = self.switched[name][0 if value else 1]
        return f"TRAINER.{node}.{name}", value


@dataclass(frozen=True)
class Extension:
    """Hooks and names; each may be left out.

    Attributes:
        extend_cfg: adds keys with their defaults to the configuration.
        add_flags: adds flags to ``train.py``'s parser; of a trainer of others. Those of ours are
            in softcpt/engine, where ``--help`` finds them without importing a trainer.
        merge_flags: puts their values into the configuration, between files and KEY VALUE pairs.
        finish_cfg: derives keys from others, when all are merged.
        run_marks: (name, value) of what in the flags makes another run, and so another output
            folder.
        key_aliases: other name of a key -> the key ("DATASET.NUM_SAMPLES_PER_CLASS").
        node_aliases: other name of a node below TRAINER -> its name ("MTCOOP": "SOFTCPT").
        read_nodes: registered name of a trainer -> the node in which its published code has its
            options ("KgCoOp": TRAINER.COOP).
        trainer_aliases: other name of a trainer, and of its folder of configurations -> what it is
            here.
        keys_without_effect: keys that published command lines give and nothing reads.
        fixed_keys: key of published command lines -> the only value that it may have here, and why.
    """

    extend_cfg: Callable[[CfgNode], None] = _nothing
    add_flags: Callable[[ArgumentParser], None] = _nothing
    merge_flags: Callable[[CfgNode, Namespace], None] = _nothing
    finish_cfg: Callable[[CfgNode], None] = _nothing
    run_marks: Callable[[Namespace], Sequence[tuple[str, str]]] = _no_marks
    key_aliases: Mapping[str, str] = field(default_factory=dict)
    node_aliases: Mapping[str, str] = field(default_factory=dict)
    read_nodes: Mapping[str, OptionsOfNode] = field(default_factory=dict)
    trainer_aliases: Mapping[str, TrainerAlias] = field(default_factory=dict)
    keys_without_effect: Sequence[str] = ()
    fixed_keys: Mapping[str, tuple[Any, str]] = field(default_factory=dict)


@functools.cache
def extensions() -> tuple[Extension, ...]:
    """Those of all files in trainers/, which are imported now if they are not yet."""
    found = [_of(module) for module in plugins.load("trainers").values()]
    return tuple(extension for extension in found if extension is not None)


def trainer_alias(name: str) -> TrainerAlias:
    """What the trainer ``name`` is here: itself, unless other code calls one of ours so."""
    for extension in extensions():
        if name in extension.trainer_aliases:
            return extension.trainer_aliases[name]
    return TrainerAlias(name)


def as_read(trainer: str, key: str, value: Any) -> tuple[str, Any]:
    """A key and its value as ``trainer`` has them: where its published code reads them in another
    trainer's node, those of its own."""
    for extension in extensions():
        if trainer in extension.read_nodes:
            return extension.read_nodes[trainer].own(trainer.upper(), key, value)
    return key, value


def take_own_defaults(cfg: CfgNode, trainer: str) -> None:
    """In a run of the registered ``trainer`` the defaults of its file's ``extend_cfg`` count."""
    from dassl.engine import TRAINER_REGISTRY

    module = sys.modules[TRAINER_REGISTRY.get(trainer).__module__]
    extend_cfg = getattr(module, "extend_cfg", None)
    if extend_cfg is not None and not hasattr(module, "EXTENSION"):
        take_defaults(extend_cfg, _place(module), cfg)


def _of(module: ModuleType) -> Extension | None:
    own = getattr(module, "EXTENSION", None)
    if isinstance(own, Extension):
        return own
    extend_cfg = getattr(module, "extend_cfg", None)
    if extend_cfg is None:
        return None
    return Extension(extend_cfg=functools.partial(add_keys, extend_cfg, _place(module)))


def _place(module: ModuleType) -> str:
    return str(getattr(module, "__file__", module.__name__))
