"""The configuration: Dassl's tree, our keys, and messages that name the nearest valid key.

Merge order as in CoOp: defaults < data set yaml < trainer yaml < command-line flags < ``KEY VALUE``
    pairs.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

from yacs.config import CfgNode

from softcpt import dassl
from softcpt.engine.config_files import read_config, resolved
from softcpt.engine.config_keys import leaves, literal, set_key
from softcpt.engine.extension import extensions
from softcpt.engine.settings import Use, out_of_range, setting_of
from softcpt.errors import UserError
from softcpt.prompters import METHODS
from softcpt.prompters.classifier import MethodOptions
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
    # Ordinal tasks: "['age']" if their classes are numbers, else "['age=child<teen<adult']".
    cfg.DATASET.ORDINAL = ()
    cfg.DATASET.LABEL_COLUMNS = ()  # of a table: its tasks; none: all but image and split
    cfg.DATASET.DRAW_SPLIT = False  # --draw-split: divide a data set whose split file is missing
    # An image of the split that is not on disk: stop, skip it, or skip-classes of which there is no
    # image at all; skip-tasks: of merged data sets, those that have no folder.
    cfg.DATASET.ON_MISSING = "stop"
    # A last batch that is not full is left out of an epoch, as in the published code.
    cfg.DATALOADER.TRAIN_X.DROP_LAST = True
    # In place of MAX_EPOCH epochs, as many as give so many steps, or so many for each image of a
    # class. Of the three, the one that is given last counts.
    cfg.OPTIM.MAX_STEPS = 0
    cfg.OPTIM.STEPS_PER_SHOT = 0
    # With SAMPLER TaskBalanced: a number for each task, or "['flowers=2']"; none: equal shares.
    cfg.DATALOADER.TRAIN_X.TASK_SHARES = ()
    # Of test images. shortest: the short side is resized and the middle is cut out; squash: both
    # sides are resized, as SigLIP's are.
    cfg.INPUT.RESIZE_MODE = "shortest"
    cfg.OPTIM.REFERENCE_SCHEDULE = (
        False  # SoftCPT's published code: 3 or 4 optimiser and schedule steps in place of 1
    )
    # auto: on a GPU, steps are captured and done again with one launch (docs/performance.md).
    cfg.OPTIM.GRAPH = "off"
    # At every so-manieth step, what each task's gradient does to the others' losses; 0: never.
    cfg.TRAIN.LOOKAHEAD = 0
    cfg.TEST.PER_TASK_RESULT = True
    # predictions.npz: on, off, or auto: below 100,000 images.
    cfg.TEST.PREDICTIONS = "auto"
    # How tasks count in the loss and the gradient (softcpt/engine/task_balance.py).
    cfg.MULTITASK = CfgNode()
    cfg.MULTITASK.SHARES = "images"  # a task counts with its images in the batch, or tasks: alike
    cfg.MULTITASK.WEIGHTS = ()  # a number for each task in order, or "['flowers=2']" for some
    cfg.MULTITASK.WEIGHTING = "none"  # none, running_mean or uncertainty
    cfg.MULTITASK.MEAN_FACTOR = 0.9  # of running_mean: what it keeps of itself in a step
    cfg.MULTITASK.GRADIENTS = "sum"  # sum or pcgrad
    cfg.TRAIN.EARLY_STOP = 0  # epochs without a better figure on validation; 0: train them all
    cfg.USE_TF32 = False  # fp32 products on an NVIDIA GPU are rounded to TF32
    cfg.FEATURES = CfgNode()
    cfg.FEATURES.MODE = (
        "bank"  # bank: each image is encoded once per view; online: at every step, as published
    )
    cfg.FEATURES.VIEWS = 0  # augmented views: 0 = every epoch its own, K = K views in turn
    cfg.FEATURES.FOLDER = ""  # of the bank; empty: the user's cache
    # Where the features are that are trained on: cpu; auto: on the GPU if they fit; cuda: there.
    cfg.FEATURES.DEVICE = "cpu"
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
    node = name = trainer.partition("@")[0].upper()
    if any(known.upper() == name for known in cfg.TRAINER):
        return
    found: dict[str, Any] = {}
    place: Path | None = path
    seen: set[Path] = set()
    while place is not None and place not in seen:
        seen.add(place)
        file, tree = read_config(place)
        for given, keys in tree.get("TRAINER", {}).items():
            if given.upper() == name:  # as the file writes it: MMRLpp
                node = given
                found = {key: plain(value) for key, value in keys.items()} | found
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
        set_key(cfg, key, literal(text), "command line", text)


def check_values(cfg: CfgNode) -> None:
    """Refuse values outside the ranges of the table of settings, before anything runs.

    Raises:
        UserError: naming the first one's key, value and range.
    """
    wrong = next(out_of_range(dict(leaves(cfg))), None)
    if wrong is not None:
        raise UserError(f"configuration: {wrong}")


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


def settings_of_text(cfg: CfgNode, text: str) -> dict[str, Any]:
    """:func:`run_settings` of the configuration that an earlier run wrote, to be compared with
    ``cfg``'s; a key that its version did not have was at its default."""
    theirs = run_settings(cfg.load_cfg(text))
    ours = run_settings(cfg)
    for key, value in leaves(default_config()):
        if key in ours:
            theirs.setdefault(key, value)
    return theirs


def own_nodes(trainer: str) -> set[str]:
    """The nodes of ``TRAINER`` that a trainer reads; empty: unknown, as of CoOp's own trainers."""
    from dassl.engine import TRAINER_REGISTRY

    method = None
    if trainer in TRAINER_REGISTRY.registered_names():
        method = getattr(TRAINER_REGISTRY.get(trainer), "method", None)
    if method is None:
        return set()
    return {trainer.upper(), node_name(method)} if method in METHODS else {trainer.upper()}
