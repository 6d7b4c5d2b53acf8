"""From train.py's flags to the configuration of a run."""

from __future__ import annotations

import argparse
import hashlib
import logging
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from softcpt import plugins
from softcpt.engine import images_flag
from softcpt.errors import UserError
from softcpt.utils.suggest import near_and_all

if TYPE_CHECKING:
    from softcpt.engine.tested_run import TestedRun

_log = logging.getLogger(__name__)

# Names in configs/datasets and configs/trainers/<trainer>.
DEFAULT_DATA = "emoji44"
DEFAULT_CONFIG = "tiny"
DEFAULT_TRAINER = "SoftCPT"


def parser() -> argparse.ArgumentParser:
    """CoOp's flags, those that trainers bring (softcpt/engine/extension.py), then KEY VALUE
    pairs."""
    from softcpt.engine.extension import extensions

    flags = argparse.ArgumentParser(
        "train.py",
        description="Train a prompt, or test one.",
        epilog="KEY VALUE pairs override any key of the configuration (--show-config).",
    )
    add = flags.add_argument
    add(
        "--trainer",
        default="",
        help="method: SoftCPT (default), CoOp, ZeroshotCLIP or a file of yours in trainers/; with "
        "--eval-only that of the run is the default",
    )
    add("--root", default="", help="folder of all data sets")
    images_flag.add_flags(flags)
    add(
        "--plugins",
        metavar="FOLDER",
        help="a folder with trainers/ or datasets/ of yours in it; those of the current folder are "
        "found without",
    )
    add(
        "--output-dir",
        default="",
        help="folder of this run (default: output/<data>/<trainer>/<config>_<K>shots/seed<s>, "
        "with --eval-only below output/evaluation)",
    )
    add(
        "--resume",
        default="",
        help="continue the run in this folder (a run started again in its own folder always does)",
    )
    add(
        "--seed",
        type=int,
        help="seed of everything that is drawn (default 1; negative: a random one)",
    )
    add("--source-domains", nargs="+", help="source domains, for data sets that have them")
    add("--target-domains", nargs="+", help="target domains, for data sets that have them")
    add("--transforms", nargs="+", help="image transforms for training")
    add(
        "--config-file",
        default="",
        help="settings of the method (default: configs/trainers/<trainer>/tiny.yaml)",
    )
    add(
        "--dataset-config-file",
        default="",
        help="the data set (default: configs/datasets/emoji44.yaml)",
    )
    add(
        "--draw-split",
        action="store_true",
        help="divide a data set whose split file is missing, with a fixed seed",
    )
    add(
        "--backbone",
        default="",
        help="tiny, RN50, RN101, ViT-B/32, ViT-B/16, ViT-L/14, a file, or open_clip's model/tag",
    )
    add("--head", default="", help="name of a head, for trainers that have one")
    add("--eval-only", action="store_true", help="test the prompt in --model-dir")
    add(
        "--model-dir",
        default="",
        help="folder of the run whose prompt is tested, or where training starts; or of "
        "checkpoints that CoOp's, SoftCPT's or MVLPT's code wrote",
    )
    add(
        "--load-epoch",
        type=int,
        help="epoch of the prompt to load (default: best on validation, else the last)",
    )
    add("--no-train", action="store_true", help="do not train, only build everything")
    add("--show-config", action="store_true", help="print the configuration and stop")
    add("--debug", action="store_true", help="show the traceback of errors")
    for extension in extensions():
        extension.add_flags(flags)
    add("opts", nargs=argparse.REMAINDER, metavar="KEY VALUE", help="settings, as OPTIM.LR 0.01")
    return flags


def setup_config(args: argparse.Namespace) -> Any:
    """Defaults < data set yaml < trainer yaml < flags < KEY VALUE pairs; frozen.

    With ``--eval-only`` the settings of the run in ``--model-dir`` stand in the place of files that
    are not given.
    """
    from softcpt.engine import config, tested_run
    from softcpt.engine.extension import extensions, take_own_defaults, trainer_alias
    from softcpt.utils import parallel

    images_flag.give_back_pairs(args)
    plugins.load("datasets")
    cfg = config.default_config()
    run = tested_run.find_tested_run(args.model_dir, args.load_epoch) if _tests(args) else None
    alias = trainer_alias(args.trainer or (run.trainer if run else DEFAULT_TRAINER))
    _require_trainer(alias.trainer)
    take_own_defaults(cfg, alias.trainer)
    if args.eval_only and not args.model_dir and _learns(alias.trainer):
        raise UserError("--eval-only: it needs --model-dir with the folder of a training run")
    for key, value in alias.settings.items():
        config.set_key(cfg, key, value, args.trainer)
    args = argparse.Namespace(**{**vars(args), "trainer": alias.trainer})
    if run is not None and not tested_run.serves(run, alias.trainer):
        run = None
    own = images_flag.settings_of(args)
    config_name = _merge_files(cfg, args, run, bool(own))
    flags = {
        "DATASET.ROOT": args.root,
        "RESUME": args.resume,
        "DATASET.SOURCE_DOMAINS": args.source_domains,
        "DATASET.TARGET_DOMAINS": args.target_domains,
        "INPUT.TRANSFORMS": args.transforms,
        "MODEL.BACKBONE.NAME": args.backbone,
        "MODEL.HEAD.NAME": args.head,
        "TRAINER.NAME": args.trainer,
        **own,
    }
    for key, value in flags.items():
        if value:
            config.set_key(cfg, key, value, "command line")
    cfg.DATASET.DRAW_SPLIT = cfg.DATASET.DRAW_SPLIT or args.draw_split
    cfg.SEED = (
        1 if args.seed is None and cfg.SEED < 0 else cfg.SEED if args.seed is None else args.seed
    )
    for extension in extensions():
        extension.merge_flags(cfg, args)
    config.merge_pairs(cfg, args.opts)
    for extension in extensions():
        extension.finish_cfg(cfg)
    if run is not None:
        tested_run.refuse_contradictions(cfg, run, args.trainer)
    if cfg.SEED < 0:
        # Unseeded, but written down: the run can be continued and repeated.
        cfg.SEED = parallel.broadcast_from_main(secrets.randbelow(2**31))
    if cfg.DATASET.ROOT:
        cfg.DATASET.ROOT = str(Path(cfg.DATASET.ROOT).expanduser().absolute())
        if not Path(cfg.DATASET.ROOT).exists():
            raise UserError(
                f"--root {cfg.DATASET.ROOT}: no such folder; give the folder that holds the data "
                "sets"
            )
    config.check_values(cfg)
    _require_dataset(str(cfg.DATASET.NAME))
    cfg.OUTPUT_DIR = args.output_dir or str(_output_folder(cfg, config_name, args))
    cfg.freeze()
    return cfg


def _tests(args: argparse.Namespace) -> bool:
    return bool(args.eval_only and args.model_dir)


def _merge_files(
    cfg: Any, args: argparse.Namespace, run: TestedRun | None, own_images: bool
) -> str:
    """Merge the files of data set and trainer, or what ``run`` has in their place; returns what the
    configuration is called."""
    from softcpt.engine import config, config_files, tested_run

    data = config_files.dataset_config(args.dataset_config_file or DEFAULT_DATA)
    method = config_files.trainer_config(args.config_file or DEFAULT_CONFIG, args.trainer)
    if run is None:
        if not own_images:
            config.merge_file(cfg, data)
        config.open_node(cfg, args.trainer, method)
        config.merge_file(cfg, method)
        return method.stem
    config.open_node(cfg, args.trainer, method)
    given = {data: bool(args.dataset_config_file), method: bool(args.config_file)}
    for file, named in given.items():
        if not named:
            config.merge_file(cfg, file)
    names = {"DATASET.NAME", "DATASET.TASKS", "DATASET.DATASET"}
    data_named = (
        own_images or given[data] or bool(args.dataset) or not names.isdisjoint(args.opts[::2])
    )
    tested_run.take_settings(cfg, run, args.trainer, images=not given[method], data=not data_named)
    for file, named in given.items():
        if named:
            config.merge_file(cfg, file)
    return method.stem if given[method] else run.config_name


def look_at_flags(cfg: Any, args: argparse.Namespace) -> None:
    """Print which of the flags have no effect here.

    Raises:
        UserError: one of them is surely meant to have one.
    """
    import torch

    if cfg.DATASET.ROOT:
        named = args.dataset_config_file or args.dataset or _tests(args)
        _look_at_unused_root(cfg, bool(named) or "DATASET.NAME" in args.opts)
    on_cpu = not (cfg.USE_CUDA and torch.cuda.is_available())
    if on_cpu and "fp16" in _given_precisions(args, str(cfg.TRAINER.NAME)):
        _log.info("fp16 needs a GPU; on this CPU the run uses fp32")


def _given_precisions(args: argparse.Namespace, trainer: str) -> list[Any]:
    """What the command line and a configuration file given there say of ``TRAINER.*.PREC``."""
    from softcpt.engine import config, config_files

    pairs: list[tuple[str, Any]] = list(zip(args.opts[::2], args.opts[1::2]))
    if args.config_file:
        chosen = config_files.trainer_config(args.config_file, trainer)
        pairs += config.leaves(config_files.read_config(chosen)[1])
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


def _require_trainer(name: str) -> None:
    from dassl.engine import TRAINER_REGISTRY

    from softcpt.engine.extension import extensions

    known = TRAINER_REGISTRY.registered_names()
    if name in known:
        return
    others = [other for extension in extensions() for other in extension.trainer_aliases]
    reason = plugins.why_missing("trainers", name)
    reason = reason or f"no such trainer; {near_and_all(name, [*known, *others])}"
    raise UserError(f"--trainer {name}: {reason}")


def _require_dataset(name: str) -> None:
    """Raises UserError if the file that registers data set ``name`` cannot be imported; other
    names are looked at when it is built."""
    from dassl.data.datasets import DATASET_REGISTRY

    if name and name not in DATASET_REGISTRY.registered_names():
        reason = plugins.why_missing("datasets", name)
        if reason:
            raise UserError(f"DATASET.NAME {name}: {reason}")


def _learns(name: str) -> bool:
    """Whether the trainer has something to load; those written for CoOp's code base decide for
    themselves."""
    from dassl.engine import TRAINER_REGISTRY

    return getattr(TRAINER_REGISTRY.get(name), "learns", False)


def _output_folder(cfg: Any, config_name: str, args: argparse.Namespace) -> Path:
    """output/<data set>/<trainer>/<config>_<K>shots/seed<s>, with a mark if other settings were
    given or it starts from a prompt.

    A run with --eval-only has output/evaluation/... of that form.
    """
    from softcpt.engine.extension import extensions

    others = list(zip(args.opts[::2], args.opts[1::2]))
    if args.model_dir and not args.eval_only:
        others.append(("--model-dir", f"{args.model_dir} {args.load_epoch}"))
    if args.task_names:
        others.append(("--task-names", " ".join(args.task_names)))
    for extension in extensions():
        others += extension.run_marks(args)
    name = f"{config_name}_{cfg.DATASET.NUM_SHOTS}shots{settings_mark(others)}"
    root = Path("output", "evaluation") if args.eval_only else Path("output")
    data = images_flag.name_in_output(args) if args.images else str(cfg.DATASET.NAME)
    return root / data / str(cfg.TRAINER.NAME) / name / f"seed{cfg.SEED}"


def settings_mark(pairs: Sequence[tuple[str, str]]) -> str:
    """What tells the folders of runs with such ``KEY VALUE`` pairs from others; "" if there are
    none but the shots."""
    others = sorted(pair for pair in pairs if pair[0] != "DATASET.NUM_SHOTS")
    return "-" + hashlib.sha256(repr(others).encode()).hexdigest()[:6] if others else ""
