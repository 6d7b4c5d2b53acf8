"""From train.py's flags to the configuration of a run."""

from __future__ import annotations

import argparse
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from softcpt import plugins
from softcpt.engine import flag_checks, images_flag, mvlpt_flags, run_folder
from softcpt.errors import UserError

if TYPE_CHECKING:
    from softcpt.engine.tested_run import TestedRun

# Names in configs/datasets and configs/trainers/<trainer>.
DEFAULT_DATA = "emoji44"
DEFAULT_CONFIG = "tiny"
DEFAULT_TRAINER = "SoftCPT"


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line: all its flags in front would hide it."""

    def error(self, message: str) -> NoReturn:
        """Raises UserError with ``message``."""
        raise UserError(
            f"{self.prog}: {message}; --help lists the flags, and behind these all settings can be "
            "given as KEY VALUE pairs (OPTIM.MAX_EPOCH 20)"
        )


def parser() -> argparse.ArgumentParser:
    """CoOp's flags, MVLPT's, those that trainers of others bring (softcpt/engine/extension.py),
    then KEY VALUE pairs.

    Where there are no trainers of others, none is imported, and so no torch: ``--help`` and wrong
    flags are answered at once.
    """
    flags = _Parser(
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
        help="settings of the method: a file, or a name in configs/trainers/<trainer>, as "
        "rn50_ep50 (default: tiny)",
    )
    add(
        "--dataset-config-file",
        default="",
        help="the data set: a file, or a name in configs/datasets (default: emoji44)",
    )
    add(
        "--draw-split",
        action="store_true",
        help="divide a data set whose split file is missing, with a fixed seed",
    )
    add(
        "--backbone",
        default="",
        help="tiny, RN50, RN101, ViT-B/32, ViT-B/16, ViT-L/14, a file or folder, or open_clip's "
        "model/tag",
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
    mvlpt_flags.add_flags(flags)
    if plugins.has_others("trainers"):
        from softcpt.engine.extension import extensions

        for extension in extensions():
            extension.add_flags(flags)
    add("opts", nargs=argparse.REMAINDER, metavar="KEY VALUE", help="settings, as OPTIM.LR 0.01")
    return flags


def setup_config(args: argparse.Namespace) -> Any:
    """Defaults < data set yaml < trainer yaml < flags < KEY VALUE pairs; frozen.

    With ``--eval-only`` the settings of the run in ``--model-dir`` stand in the place of files that
    are not given.
    """
    from softcpt.engine import backbone_input, config, config_keys, tested_run
    from softcpt.engine.extension import extensions, take_own_defaults, trainer_alias

    images_flag.give_back_pairs(args)
    plugins.load("datasets")
    cfg = config.default_config()
    tests = flag_checks.tests_a_run(args)
    run = tested_run.find_tested_run(args.model_dir, args.load_epoch) if tests else None
    alias = trainer_alias(args.trainer or (run.trainer if run else DEFAULT_TRAINER))
    flag_checks.require_trainer(alias.trainer)
    take_own_defaults(cfg, alias.trainer)
    if args.eval_only and not args.model_dir and flag_checks.learns(alias.trainer):
        raise UserError("--eval-only: it needs --model-dir with the folder of a training run")
    cfg.TRAINER.NAME = alias.trainer  # whose keys are meant, in files too
    for key, value in alias.settings.items():
        config_keys.set_key(cfg, key, value, args.trainer)
    args = argparse.Namespace(**{**vars(args), "trainer": alias.trainer})
    if run is not None and not tested_run.serves(run, alias.trainer):
        run = None
    own = images_flag.settings_of(args)
    config_name = _merge_files(cfg, args, run, bool(own))
    _merge_flags(cfg, args, own)
    config.merge_pairs(cfg, args.opts)
    if run is None:
        given = args.opts[::2]
        named = bool(args.backbone) or "MODEL.BACKBONE.NAME" in given
        backbone_input.take_input_of_backbone(cfg, named, given)
    config.check_values(cfg)  # before a trainer's file reads them, and behind what it sets
    for extension in extensions():
        extension.finish_cfg(cfg)
    if run is not None:
        tested_run.refuse_contradictions(cfg, run, args.trainer)
    _finish(cfg)
    cfg.OUTPUT_DIR = args.output_dir or str(run_folder.output_folder(cfg, config_name, args))
    config.check_values(cfg)  # the folder's name, too
    cfg.freeze()
    return cfg


def _merge_flags(cfg: Any, args: argparse.Namespace, own_images: Mapping[str, Any]) -> None:
    """Put the flags' values into ``cfg``, and those that ``--images`` stands for."""
    from softcpt.engine import config_keys
    from softcpt.engine.extension import extensions

    flags = {
        "DATASET.ROOT": args.root,
        "RESUME": args.resume,
        "DATASET.SOURCE_DOMAINS": args.source_domains,
        "DATASET.TARGET_DOMAINS": args.target_domains,
        "INPUT.TRANSFORMS": args.transforms,
        "MODEL.BACKBONE.NAME": args.backbone,
        "MODEL.HEAD.NAME": args.head,
        "TRAINER.NAME": args.trainer,
        **own_images,
    }
    for key, value in flags.items():
        if value:
            config_keys.set_key(cfg, key, value, "command line")
    cfg.DATASET.DRAW_SPLIT = cfg.DATASET.DRAW_SPLIT or args.draw_split
    if args.seed is not None:
        cfg.SEED = args.seed
    elif cfg.SEED < 0:
        cfg.SEED = 1
    for extension in extensions():
        extension.merge_flags(cfg, args)


def _finish(cfg: Any) -> None:
    """Look at the whole configuration, draw the seed if there is none, and make the root absolute.

    Raises:
        UserError: a value is out of range, or the root or the data set is not there.
    """
    from softcpt.engine import config
    from softcpt.utils import parallel

    if cfg.SEED < 0:
        # Unseeded, but written down: the run can be continued and repeated.
        cfg.SEED = parallel.broadcast_from_main(secrets.randbelow(2**31))
    if cfg.DATASET.ROOT:
        cfg.DATASET.ROOT = str(Path(cfg.DATASET.ROOT).expanduser().absolute())
        if not os.path.exists(cfg.DATASET.ROOT):  # Path's raises for a long name
            raise UserError(
                f"--root {cfg.DATASET.ROOT}: no such folder; give the folder that holds the data "
                "sets"
            )
    config.check_values(cfg)
    flag_checks.require_dataset(str(cfg.DATASET.NAME))


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
