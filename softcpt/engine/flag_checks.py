"""Looks at train.py's flags for what is not there, and for what has no effect."""

from __future__ import annotations

import argparse
import logging
from typing import Any

from softcpt import plugins
from softcpt.errors import UserError
from softcpt.utils.suggest import near_and_all

_log = logging.getLogger(__name__)


def tests_a_run(args: argparse.Namespace) -> bool:
    """Whether the prompt of a run is tested."""
    return bool(args.eval_only and args.model_dir)


def look_at_flags(cfg: Any, args: argparse.Namespace) -> None:
    """Print which of the flags have no effect here.

    Raises:
        UserError: one of them is surely meant to have one.
    """
    import torch

    if args.load_epoch is not None and not args.model_dir:
        raise UserError(
            f"--load-epoch {args.load_epoch}: it is of the prompt in --model-dir, which is not "
            "given; give both, or neither"
        )
    if cfg.DATASET.ROOT:
        named = args.dataset_config_file or args.dataset or tests_a_run(args)
        _look_at_unused_root(cfg, bool(named) or "DATASET.NAME" in args.opts)
    on_cpu = not (cfg.USE_CUDA and torch.cuda.is_available())
    if on_cpu and "fp16" in _given_precisions(args, str(cfg.TRAINER.NAME)):
        _log.info("fp16 needs a GPU; on this CPU the run uses fp32")
    if on_cpu and cfg.USE_TF32:
        _log.info("USE_TF32: only NVIDIA GPUs round to TF32; on this CPU nothing does")


def _given_precisions(args: argparse.Namespace, trainer: str) -> list[Any]:
    """What the command line and a configuration file given there say of ``TRAINER.*.PREC``."""
    from softcpt.engine import config_files, config_keys

    pairs: list[tuple[str, Any]] = list(zip(args.opts[::2], args.opts[1::2]))
    if args.config_file:
        chosen = config_files.trainer_config(args.config_file, trainer)
        pairs += config_keys.leaves(config_files.read_config(chosen)[1])
    return [value for key, value in pairs if key.endswith(".PREC")]


def _look_at_unused_root(cfg: Any, named: bool) -> None:
    """Print that the data set reads nothing below the root that was given.

    Raises:
        UserError: nor was it ``named``, so that the root is what was meant.
    """
    from dassl.data.datasets import DATASET_REGISTRY

    from softcpt.data.catalog import CatalogEntry
    from softcpt.data.dassl_dataset import TaskedDataset
    from softcpt.data.multitask import MultiTaskDataset

    name = str(cfg.DATASET.NAME)
    if name not in DATASET_REGISTRY.registered_names():
        return  # said when it is built
    kind = DATASET_REGISTRY.get(name)
    if issubclass(kind, MultiTaskDataset) or not issubclass(kind, TaskedDataset):
        return
    if not CatalogEntry(name, kind, "").embedded:
        return
    unused = f"DATASET.ROOT {cfg.DATASET.ROOT}: {name} comes with softcpt and reads nothing there"
    if not named:
        raise UserError(
            f"{unused}; for images of your own give --images {cfg.DATASET.ROOT}, for a data set "
            "below it its name, DATASET.NAME OxfordPets"
        )
    _log.info(unused)


def require_trainer(name: str) -> None:
    """Raises UserError if no trainer ``name`` is registered."""
    from dassl.engine import TRAINER_REGISTRY

    from softcpt.engine.extension import extensions

    known = TRAINER_REGISTRY.registered_names()
    if name in known:
        return
    others = [other for extension in extensions() for other in extension.trainer_aliases]
    reason = plugins.why_missing("trainers", name)
    reason = reason or f"no such trainer; {near_and_all(name, [*known, *others])}"
    raise UserError(f"--trainer {name}: {reason}")


def require_dataset(name: str) -> None:
    """Raises UserError if there is no data set ``name``, or the file that registers it cannot be
    imported; without a name, that is seen when it is built."""
    from dassl.data.datasets import DATASET_REGISTRY

    if name and name not in DATASET_REGISTRY.registered_names():
        reason = plugins.why_missing("datasets", name)
        known = DATASET_REGISTRY.registered_names()
        reason = reason or f"no such data set; {near_and_all(name, known)}"
        raise UserError(f"DATASET.NAME {name}: {reason}")


def learns(name: str) -> bool:
    """Whether the trainer has something to load; those written for CoOp's code base decide for
    themselves."""
    from dassl.engine import TRAINER_REGISTRY

    return getattr(TRAINER_REGISTRY.get(name), "learns", False)
