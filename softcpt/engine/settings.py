"""The one table of settings: who shares each key of the configuration, and what it is called.

From it are derived: ``shared`` in results.json (engine/results.py), what a continued run compares
(engine/config.py), the grid's check and description (grid/fairness.py), the report's groups and
variants (report/), and the table in docs/results.md. It imports nothing heavy, so that
``softcpt report`` starts without torch.
"""

from __future__ import annotations

import fnmatch
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import Any

from softcpt.engine.config_text import text_leaves
from softcpt.utils.kinds import in_short


class Use(Enum):
    """Which runs of a comparison have a setting in common; the values are the words of the docs."""

    AXIS = "the run's place in tables"
    ALL = "all methods"
    TRAINING = "methods trained step by step"
    OWN = "a method's or a run's own"
    NONE = "no figure depends on it"


@dataclass(frozen=True)
class Valid:
    """Which values a setting may have.

    Attributes:
        choices: all there are; empty: see ``least`` and ``most``.
        least, most: bounds, themselves included; None: no bound.
        texts: whether it is a list of texts.
        count: how many numbers it is a list of; 0: it is no list.
        rising: whether none of these is lower than the one in front of it.
    """

    choices: tuple[str, ...] = ()
    least: float | None = None
    most: float | None = None
    texts: bool = False
    count: int = 0
    rising: bool = False

    def allows(self, value: Any) -> bool:
        """Whether ``value`` is one of them."""
        if self.choices:
            return value in self.choices
        if self.texts:
            return all(isinstance(item, str) for item in value)
        if self.count:
            fits = len(value) == self.count and all(map(self._is_within, value))
            return fits and (not self.rising or list(value) == sorted(value))
        return self._is_within(value)

    def _is_within(self, value: Any) -> bool:
        if isinstance(value, float) and not math.isfinite(value):
            return False
        above = self.least is None or value >= self.least
        return above and (self.most is None or value <= self.most)

    def __str__(self) -> str:
        """What to give: "choose bank or online", "give 0 or more"."""
        if self.choices:
            return f"choose {', '.join(self.choices[:-1])} or {self.choices[-1]}"
        if self.texts:
            return "give texts"
        order = ", the lowest first" if self.rising else ""
        several = f"{self.count} numbers{order}, each " if self.count else ""
        return f"give {several}{self._bounds}"

    @property
    def _bounds(self) -> str:
        least, most = (f"{bound:,}" for bound in (self.least or 0, self.most or 0))
        if self.most is None:
            return f"{least} or more"
        return f"{most} or less" if self.least is None else f"{least} to {most}"


@dataclass(frozen=True)
class Setting:
    """A setting, or several under one pattern of keys.

    Attributes:
        key: of the configuration, or a pattern of keys ("OPTIM.*"); "": the run finds it.
        use: who shares it.
        name: in results.json's ``shared``; "": it is not there.
        label: what the grid calls it when it prints what all jobs share; "": it is not printed.
        old: its value in results.json of versions that did not write it; None: all wrote it.
        valid: its values; None: whatever has the type of its default.
        variant: whether a report tells variants of one method apart by it.
        logged: whether a report groups log files of published code by it, which say little else.
    """

    key: str
    use: Use
    name: str = ""
    label: str = ""
    old: Any = None
    valid: Valid | None = None
    variant: bool = False
    logged: bool = False


_AT_LEAST_0 = Valid(least=0)
_AT_LEAST_1 = Valid(least=1)
_SHARE = Valid(least=0, most=1)
_TEXTS = Valid(texts=True)

# The order is that of results.json and of what the grid prints.
SETTINGS = (
    Setting("DATASET.NAME", Use.AXIS, "dataset", "data"),
    Setting("", Use.AXIS, "tasks"),
    Setting("DATASET.NUM_SHOTS", Use.AXIS, "shots", "shots"),
    Setting("SEED", Use.AXIS, "seed", "seeds", valid=Valid(most=2**32 - 1)),  # as numpy takes it
    Setting(
        "DATASET.SUBSAMPLE_CLASSES",
        Use.AXIS,
        "classes",
        "classes",
        valid=Valid(("all", "base", "new")),
    ),
    Setting("TEST.SPLIT", Use.ALL, "split", "tested on"),
    Setting("", Use.ALL, "train_images"),
    Setting("", Use.ALL, "test_images"),
    Setting("DATASET.TEMPLATE", Use.ALL, "template", "zero-shot template", old=""),
    Setting("MODEL.BACKBONE.NAME", Use.ALL, "backbone", "backbone"),
    Setting("", Use.ALL, "weights"),
    Setting(
        "TRAINER.*.PREC",  # of the run's own method
        Use.ALL,
        "precision",
        "precision",
        valid=Valid(("fp32", "fp16", "bf16", "amp")),
        variant=True,  # in published logs it stands among the options
    ),
    Setting("", Use.ALL, "device"),
    Setting(
        "INPUT.TRANSFORMS",
        Use.TRAINING,
        "transforms",
        "training transforms",
        valid=_TEXTS,
        logged=True,
    ),
    Setting(
        "INPUT.RRCROP_SCALE",
        Use.TRAINING,
        "crop_scale",
        "crop scale",
        valid=Valid(least=0, most=1, count=2, rising=True),
        logged=True,
    ),
    Setting(
        "FEATURES.MODE",
        Use.TRAINING,
        "features",
        "image features",
        valid=Valid(("bank", "online")),
    ),
    Setting("FEATURES.VIEWS", Use.TRAINING, "views", "views (0: one per epoch)", valid=_AT_LEAST_0),
    Setting(
        "DATALOADER.NUM_WORKERS", Use.TRAINING, "workers", "loader processes", valid=_AT_LEAST_0
    ),
    Setting(
        "DATALOADER.TRAIN_X.BATCH_SIZE",
        Use.TRAINING,
        "batch_size",
        "batch size",
        valid=_AT_LEAST_1,
        variant=True,
    ),
    Setting("OPTIM.MAX_EPOCH", Use.TRAINING, "epochs", "epochs", valid=_AT_LEAST_0, variant=True),
    Setting(
        "OPTIM.MAX_STEPS",
        Use.TRAINING,
        "steps",
        "steps (0: not given)",
        old=0,
        valid=_AT_LEAST_0,
        variant=True,
    ),
    Setting(
        "OPTIM.STEPS_PER_SHOT",
        Use.TRAINING,
        "steps_per_shot",
        "steps per shot (0: not given)",
        old=0,
        valid=_AT_LEAST_0,
        variant=True,
    ),
    Setting("OPTIM.NAME", Use.TRAINING, "optimiser", "optimiser", variant=True),
    Setting("OPTIM.LR_SCHEDULER", Use.TRAINING, "schedule", "schedule", variant=True),
    Setting("OPTIM.WARMUP_EPOCH", Use.TRAINING, "warmup_epochs", "warm-up epochs", variant=True),
    Setting(
        "OPTIM.REFERENCE_SCHEDULE",
        Use.TRAINING,
        "reference_schedule",
        "schedule of the published code",
        variant=True,
    ),
    Setting(
        "TEST.FINAL_MODEL",
        Use.TRAINING,
        "final_model",
        "prompt that counts",
        old="last_step",
        valid=Valid(("last_step", "best_val")),
        logged=True,
    ),
    Setting(
        "TRAIN.EARLY_STOP",
        Use.TRAINING,
        "early_stop",
        "early stopping after",
        old=0,
        valid=_AT_LEAST_0,
        variant=True,
    ),
    Setting("USE_TF32", Use.ALL, "tf32"),
    Setting("", Use.ALL, "cudnn_benchmark"),
    # From here on: without a name in results.json, whose ``config`` holds them.
    Setting("USE_CUDA", Use.ALL),
    Setting("INPUT.SIZE", Use.ALL, valid=Valid(least=1, count=2), logged=True),
    Setting("INPUT.INTERPOLATION", Use.ALL, valid=Valid(("bicubic", "bilinear", "nearest"))),
    Setting("INPUT.RESIZE_MODE", Use.ALL, valid=Valid(("shortest", "squash"))),
    Setting("INPUT.NO_TRANSFORM", Use.ALL),
    Setting("INPUT.PIXEL_STD", Use.ALL, valid=Valid(least=0.0001, count=3)),
    Setting("INPUT.PIXEL_*", Use.ALL),
    Setting("INPUT.*", Use.TRAINING),  # strengths of augmentations
    Setting("DATASET.TASKS", Use.ALL, valid=_TEXTS),
    Setting("DATASET.SUBSAMPLE_TASKS", Use.ALL),
    Setting("DATASET.TASK_NAME", Use.ALL),
    Setting("DATASET.TASK_NAMES", Use.ALL, valid=_TEXTS),
    Setting("DATASET.TASK_DESCRIPTION", Use.ALL),
    Setting("DATASET.METRICS", Use.ALL, valid=_TEXTS),
    Setting("DATASET.ORDINAL", Use.ALL, valid=_TEXTS),
    Setting("DATASET.LABEL_COLUMNS", Use.ALL, valid=_TEXTS),
    Setting(
        "DATASET.ON_MISSING", Use.ALL, valid=Valid(("stop", "skip", "skip-classes", "skip-tasks"))
    ),
    Setting("DATASET.SOURCE_DOMAINS", Use.ALL, valid=_TEXTS),
    Setting("DATASET.TARGET_DOMAINS", Use.ALL, valid=_TEXTS),
    Setting("DATASET.NUM_LABELED", Use.ALL),
    Setting("DATASET.VAL_PERCENT", Use.ALL, valid=_SHARE),
    Setting("DATASET.STL10_FOLD", Use.ALL),
    Setting("DATASET.CIFAR_C_*", Use.ALL),
    Setting("DATASET.ALL_AS_UNLABELED", Use.ALL),
    # Keys of MVLPT's published code.
    Setting("DATASET.DATASET", Use.ALL),
    Setting("DATASET.MULTITASK*", Use.ALL),
    Setting("DATASET.COOP", Use.ALL),
    Setting("DATASET.CENTER_CROP", Use.ALL),
    Setting("DATASET.*_SET", Use.ALL),
    Setting("FEATURES.ON_ERROR", Use.ALL, valid=Valid(("stop", "skip"))),
    Setting("MODEL.BACKBONE.PRETRAINED", Use.ALL),
    Setting("MODEL.HEAD.*", Use.ALL),
    Setting("MODEL.INIT_WEIGHTS", Use.ALL),
    Setting("TEST.NO_TEST", Use.ALL),
    Setting("DATALOADER.K_TRANSFORMS", Use.TRAINING),
    Setting("DATALOADER.RETURN_IMG0", Use.TRAINING),
    Setting("DATALOADER.TRAIN_U.*", Use.TRAINING),
    Setting("DATALOADER.TRAIN_X.*", Use.TRAINING, variant=True),
    # Learning rates are chosen for each method.
    Setting("OPTIM.LR", Use.OWN, valid=_AT_LEAST_0, variant=True),
    Setting("OPTIM.WEIGHT_DECAY", Use.TRAINING, valid=_AT_LEAST_0, variant=True),
    Setting("OPTIM.WARMUP_TYPE", Use.TRAINING, valid=Valid(("linear", "constant")), variant=True),
    Setting("OPTIM.GRAPH", Use.NONE, valid=Valid(("off", "auto"))),
    Setting("OPTIM.*", Use.TRAINING, variant=True),
    Setting("TRAIN.COUNT_ITER", Use.OWN, variant=True),
    # How tasks count in the loss is compared like a method's own options.
    Setting("MULTITASK.SHARES", Use.OWN, valid=Valid(("images", "tasks")), variant=True),
    Setting("MULTITASK.WEIGHTS", Use.OWN, variant=True),
    Setting(
        "MULTITASK.WEIGHTING",
        Use.OWN,
        valid=Valid(("none", "running_mean", "uncertainty")),
        variant=True,
    ),
    Setting("MULTITASK.MEAN_FACTOR", Use.OWN, valid=Valid(least=0, most=0.999), variant=True),
    Setting("MULTITASK.GRADIENTS", Use.OWN, valid=Valid(("sum", "pcgrad")), variant=True),
    Setting("TRAINER.*", Use.OWN, variant=True),
    # Batches of images to test change the last bits only, but a run keeps them to be repeatable.
    Setting("DATALOADER.TEST.BATCH_SIZE", Use.OWN, valid=_AT_LEAST_1),
    Setting("DATALOADER.TEST.SAMPLER", Use.OWN),
    Setting("TEST.EVALUATOR", Use.OWN),
    Setting("TEST.PER_CLASS_RESULT", Use.NONE),
    Setting("TEST.PER_TASK_RESULT", Use.NONE),
    Setting("TEST.COMPUTE_CMAT", Use.NONE),
    Setting("TEST.PREDICTIONS", Use.NONE, valid=Valid(("auto", "on", "off"))),
    Setting("TRAIN.CHECKPOINT_FREQ", Use.NONE, valid=_AT_LEAST_0),
    Setting("TRAIN.LOOKAHEAD", Use.NONE, valid=_AT_LEAST_0),
    Setting("TRAIN.PRINT_FREQ", Use.NONE, valid=_AT_LEAST_1),
    Setting("DATASET.ROOT", Use.NONE),
    Setting("DATASET.DRAW_SPLIT", Use.NONE),
    Setting("FEATURES.DEVICE", Use.NONE, valid=Valid(("cpu", "auto", "cuda"))),
    Setting("FEATURES.FOLDER", Use.NONE),
    Setting("OUTPUT_DIR", Use.NONE),
    Setting("RESUME", Use.NONE),
    Setting("VERBOSE", Use.NONE),
    Setting("VERSION", Use.NONE),
)

# What a dropped-in trainer's own key is until it is put into the table: the strictest.
UNKNOWN = Setting("*", Use.ALL)
_TOO_LARGE = 10**15
# What stands in a text for a byte that is not in UTF-8.
_SURROGATE = re.compile("[\ud800-\udfff]")
SHARED = tuple(setting for setting in SETTINGS if setting.name)
IMAGES = ("train_images", "test_images")
AXES = tuple(setting.name for setting in SHARED if setting.use is Use.AXIS)
OF_TRAINING = frozenset(setting.name for setting in SHARED if setting.use is Use.TRAINING)


@lru_cache(maxsize=4096)
def setting_of(key: str) -> Setting:
    """The row of a configuration key: its own, else the first whose pattern it matches, else
    :data:`UNKNOWN`."""
    for setting in SETTINGS:
        if setting.key == key:
            return setting
    for setting in SETTINGS:
        if "*" in setting.key and fnmatch.fnmatchcase(key, setting.key):
            return setting
    return UNKNOWN


def shared_values(cfg: Any, found: Mapping[str, Any]) -> dict[str, Any]:
    """What all runs of a fair comparison have in common, by the names of results.json.

    Args:
        cfg: the run's configuration, a tree of mappings.
        found: what the run found out itself, by name.
    """
    return {
        setting.name: found[setting.name] if setting.name in found else _plain(cfg, setting.key)
        for setting in SHARED
    }


def _plain(cfg: Any, key: str) -> Any:
    """A configuration's value as JSON gives it back."""
    value = cfg
    for part in key.split("."):
        value = value[part]
    return list(value) if isinstance(value, tuple) else value


def shared_of(run: Mapping[str, Any]) -> dict[str, Any]:
    """``shared`` of a results.json; what an older version did not write there is as its ``config``
    has it, or as all such versions had it."""
    shared = dict(run["shared"])
    missing = [
        setting for setting in SHARED if setting.old is not None and setting.name not in shared
    ]
    if missing:
        config = text_leaves(run.get("config", ""))
        shared |= {setting.name: config.get(setting.key, setting.old) for setting in missing}
    return shared


def variant_settings(config: Mapping[str, str], method: str) -> dict[str, str]:
    """The settings of a configuration's text by which variants of a method are distinguished.

    Of ``TRAINER.*`` these are the keys of no node and those of the method's own node, or of its
    trainer's: ``SoftCPT-NATS`` has the node SOFTCPT, a trainer MTCoOp the node MTCOOP.
    """
    nodes = {method.split("-", maxsplit=1)[0].upper(), config.get("TRAINER.NAME", "").upper()}
    return {
        key: value
        for key, value in config.items()
        if setting_of(key).variant and not _of_another_trainer(key, nodes)
    }


def _of_another_trainer(key: str, nodes: set[str]) -> bool:
    first, *others = key.split(".")
    if first != "TRAINER":
        return False
    return others[0] not in nodes if len(others) == 2 else others == ["NAME"]


def out_of_range(values: Mapping[str, Any]) -> Iterator[str]:
    """Of key -> value: what is wrong, and what to give, for each value that its row does not
    allow."""
    for key, value in values.items():
        valid = setting_of(key).valid
        if valid is not None and not valid.allows(value):
            yield f"{key} is {in_short(value)}: {valid}"
        elif _SURROGATE.search(str(value)):
            yield f"{key} is {in_short(value)}: write it in UTF-8, as results are"
        elif not _is_usable(value):
            yield f"{key} is {in_short(value)}: give finite numbers of at most 15 digits"


def _is_usable(value: Any) -> bool:
    """Whether the numbers in a value are finite, and not larger than any library counts."""
    if isinstance(value, (list, tuple)):
        return all(map(_is_usable, value))
    return not isinstance(value, (int, float)) or abs(value) < _TOO_LARGE  # NaN is not, either


def markdown_table() -> str:
    """The table of docs/results.md."""
    lines = ["| key | in `shared` | who has it in common | values |", "| --- | --- | --- | --- |"]
    lines += [_markdown_row(setting) for setting in SETTINGS]
    return "\n".join(lines)


def _markdown_row(setting: Setting) -> str:
    cells: Sequence[str] = (
        f"`{setting.key}`" if setting.key else "",
        f"`{setting.name}`" if setting.name else "",
        setting.use.value,
        str(setting.valid or ""),
    )
    return f"| {' | '.join(cells)} |"
