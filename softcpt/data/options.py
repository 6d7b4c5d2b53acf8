"""What a data set is asked for, as keywords; a config tree is read here alone."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any

from softcpt.errors import UserError
from softcpt.utils.kinds import shown
from softcpt.utils.suggest import near_and_all

# Keyword -> key below DATASET. Foreign configurations need not have them.
KEYS = {
    "name": "NAME",
    "root": "ROOT",
    "shots": "NUM_SHOTS",
    "split": "SPLIT",
    "classes": "SUBSAMPLE_CLASSES",
    "tasks": "SUBSAMPLE_TASKS",
    "task_name": "TASK_NAME",
    "template": "TEMPLATE",
    "description": "TASK_DESCRIPTION",
    "metric": "METRIC",
    "metrics": "METRICS",
    "label_columns": "LABEL_COLUMNS",
    "draw_split": "DRAW_SPLIT",
    "on_missing": "ON_MISSING",
    "members": "TASKS",
    "task_names": "TASK_NAMES",
}
_CHOICES = {
    "classes": ("all", "base", "new"),
    "on_missing": ("stop", "skip", "skip-classes", "skip-tasks"),
}


@dataclass(frozen=True)
class DataOptions:
    """Keywords of every data set. Each has a key of the configuration, here in brackets.

    Attributes:
        name: of the data set, where another class asks for it; no keyword (``DATASET.NAME``).
        root: the folder that data sets lie in; of your own images their folder, archive or table
            (``DATASET.ROOT``).
        shots: training images per class; None or below 1: all (``DATASET.NUM_SHOTS``).
        seed: of the draw (``SEED``).
        split: a split file in CoOp's or SoftCPT's form, in place of the data set's own; "": the
            data set's own.
        classes: "all", "base" (the first half of each task's classes) or "new" (the rest)
            (``DATASET.SUBSAMPLE_CLASSES``).
        tasks: "all", "base", "new", "task<i>", "task<i>,task<j>", "all-but-task<i>"
            (``DATASET.SUBSAMPLE_TASKS``).
        task_name: in place of the task's own name (``DATASET.TASK_NAME``).
        template: zero-shot prompt with {} for the class name, in place of the data set's
            (``DATASET.TEMPLATE``).
        description: of a single task (``DATASET.TASK_DESCRIPTION``).
        metric: a name in :data:`softcpt.metrics.METRICS`, in place of the data set's.
        metrics: "data set=metric" entries, for several data sets (``DATASET.METRICS``).
        label_columns: columns of a table that are tasks (``DATASET.LABEL_COLUMNS``); none: all
            but those of image and split, in a table without a column "label"
            (:mod:`softcpt.data.label_columns`).
        draw_split: divide images whose split file is missing (``DATASET.DRAW_SPLIT``).
        on_missing: an image of the split that is not on disk: "stop", "skip" it, or "skip-classes"
            of which there is no image; "skip-tasks" whose data set has no folder, of several that
            are merged (``DATASET.ON_MISSING``).
        members: data sets that are merged (``DATASET.TASKS``).
        task_names: a name for each of ``members``, "" for its own (``DATASET.TASK_NAMES``).
        verbose: print what was read (``VERBOSE``).
        tree: the configuration that these are from; None: they are keywords.

    Raises:
        UserError: a value is none of those listed, or of another type.
    """

    name: str = ""
    root: str = ""
    shots: int = -1
    seed: int = 1
    split: str = ""
    classes: str = "all"
    tasks: str = "all"
    task_name: str = ""
    template: str = ""
    description: str = ""
    metric: str = ""
    metrics: tuple[str, ...] = ()
    label_columns: tuple[str, ...] = ()
    draw_split: bool = False
    on_missing: str = "stop"
    members: tuple[str, ...] = ()
    task_names: tuple[str, ...] = ()
    verbose: bool = False
    tree: Any = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        for name in ("root", "split"):
            self._set(name, os.fspath(getattr(self, name) or ""))
        self._set("shots", -1 if self.shots is None else self.shots)
        for name in ("shots", "seed"):
            value = getattr(self, name)
            if not hasattr(value, "__index__") or isinstance(value, bool):
                raise UserError(f"{name}={value!r}: no whole number; give one, as {name}=1")
        for name in ("metrics", "label_columns", "members", "task_names"):
            value = getattr(self, name)
            texts = (value,) if isinstance(value, str) else tuple(value)
            if other := [item for item in texts if not isinstance(item, str)]:
                raise UserError(f"{name}: {shown(other[0])} is no text; give texts")
            self._set(name, texts)
        for name, choices in _CHOICES.items():
            value = getattr(self, name)
            if value not in choices and self.tree is None:  # of a tree, who uses it says so
                raise UserError(f"{name}={value!r}: unknown; give one of {', '.join(choices)}")

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)

    @classmethod
    def from_cfg(cls, cfg: Any) -> DataOptions:
        """The options in a configuration: ours, or one made for other code, which may lack keys."""
        found = {name: cfg.DATASET[key] for name, key in KEYS.items() if key in cfg.DATASET}
        return cls(**found, seed=cfg.SEED, verbose=bool(cfg.get("VERBOSE", False)), tree=cfg)

    @classmethod
    def of(cls, given: Any, keywords: Mapping[str, Any], owner: str) -> DataOptions:
        """The options that a data set's constructor was called with.

        Args:
            given: its first argument: a configuration, options, the root, or None.
            keywords: the others.
            owner: the data set's name, for messages.

        Raises:
            UserError: there is no such keyword.
        """
        known = [one.name for one in fields(cls) if one.name not in ("name", "tree")]
        for name in keywords:
            if name not in known:
                raise UserError(f"{owner}: no option '{name}'; {near_and_all(name, known)}")
        if given is None or isinstance(given, (str, os.PathLike)):
            root = {} if given is None else {"root": given}
            return cls(**{**root, **keywords})
        options = given if isinstance(given, cls) else cls.from_cfg(given)
        return replace(options, **keywords) if keywords else options

    @cached_property
    def cfg(self) -> Any:
        """The same as a configuration, for classes that read one: that which these are from, with
        all that was changed; else Dassl's defaults with the keys above."""
        if self.tree is None:
            from dassl.config import get_cfg_default

            cfg = get_cfg_default()
        else:
            cfg = self.tree.clone()
            cfg.defrost()
        cfg.DATASET.update({key: getattr(self, name) for name, key in KEYS.items()})
        cfg.SEED, cfg.VERBOSE = self.seed, self.verbose
        cfg.freeze()
        return cfg
