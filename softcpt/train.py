"""The command line ``train.py``, which is ``softcpt train``: from flags to a trainer that trains or tests."""

from __future__ import annotations

import argparse
import difflib
import hashlib
import secrets
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from softcpt.errors import UserError
from softcpt.terminal import run_command

DEFAULT_DATASET_CONFIG = "datasets/emoji44.yaml"
DEFAULT_CONFIG = "trainers/{trainer}/tiny.yaml"


def parser() -> argparse.ArgumentParser:
    """CoOp's flags, then KEY VALUE pairs."""
    flags = argparse.ArgumentParser("train.py", description="Train a prompt, or test one.",
                                    epilog="KEY VALUE pairs override any key of the configuration (--show-config).")
    add = flags.add_argument
    add("--trainer", default="SoftCPT", help="method: SoftCPT, CoOp, ZeroshotCLIP or a file of yours in trainers/")
    add("--root", default="", help="folder of all data sets")
    add("--output-dir", default="", help="folder of this run (default: output/<data>/<trainer>/<config>_<K>shots/seed<s>)")
    add("--resume", default="", help="continue the run in this folder (a run started again in its own folder always does)")
    add("--seed", type=int, help="seed of everything that is drawn (default 1; negative: a random one)")
    add("--source-domains", nargs="+", help="source domains, for data sets that have them")
    add("--target-domains", nargs="+", help="target domains, for data sets that have them")
    add("--transforms", nargs="+", help="image transforms for training")
    add("--config-file", default="", help="settings of the method (default: configs/trainers/<trainer>/tiny.yaml)")
    add("--dataset-config-file", default="", help="the data set (default: configs/datasets/emoji44.yaml)")
    add("--draw-split", action="store_true", help="divide a data set whose split file is missing, with a fixed seed")
    add("--backbone", default="", help="tiny, RN50, RN101, ViT-B/32, ViT-B/16, ViT-L/14, a file, or open_clip's model/tag")
    add("--head", default="", help="name of a head, for trainers that have one")
    add("--eval-only", action="store_true", help="test the prompt in --model-dir")
    add("--model-dir", default="", help="folder of the run whose prompt is loaded")
    add("--load-epoch", type=int, help="epoch of the prompt to load (default: best on validation, else the last)")
    add("--no-train", action="store_true", help="do not train, only build everything")
    add("--show-config", action="store_true", help="print the configuration and stop")
    add("--debug", action="store_true", help="show the traceback of errors")
    add("opts", nargs=argparse.REMAINDER, metavar="KEY VALUE", help="settings, as OPTIM.LR 0.01")
    return flags


def setup_config(args: argparse.Namespace) -> Any:
    """Defaults < data set yaml < trainer yaml < flags < KEY VALUE pairs; frozen."""
    from softcpt import config, plugins

    trainers, _ = plugins.load("trainers"), plugins.load("datasets")
    cfg = config.default_config()
    for module in trainers.values():  # a dropped-in trainer brings its own keys
        if hasattr(module, "extend_cfg"):
            module.extend_cfg(cfg)
    _require_trainer(args.trainer)
    if args.eval_only and not args.model_dir:
        raise UserError("--eval-only: it needs --model-dir with the folder of a training run")
    chosen = _config_file(args, plugins.folder("configs"))
    config.merge_file(cfg, args.dataset_config_file or plugins.folder("configs") / DEFAULT_DATASET_CONFIG)
    config.merge_file(cfg, chosen)
    flags = {"DATASET.ROOT": args.root, "RESUME": args.resume, "DATASET.SOURCE_DOMAINS": args.source_domains,
             "DATASET.TARGET_DOMAINS": args.target_domains, "INPUT.TRANSFORMS": args.transforms,
             "MODEL.BACKBONE.NAME": args.backbone, "MODEL.HEAD.NAME": args.head, "TRAINER.NAME": args.trainer}
    for key, value in flags.items():
        if value:
            config.set_key(cfg, key, value, "command line")
    cfg.DATASET.DRAW_SPLIT = cfg.DATASET.DRAW_SPLIT or args.draw_split
    cfg.SEED = 1 if args.seed is None and cfg.SEED < 0 else cfg.SEED if args.seed is None else args.seed
    config.merge_pairs(cfg, args.opts)
    if cfg.SEED < 0:
        cfg.SEED = secrets.randbelow(2**31)  # unseeded, but written down: the run can be continued and repeated
    if cfg.DATASET.ROOT:
        cfg.DATASET.ROOT = str(Path(cfg.DATASET.ROOT).expanduser().absolute())
        if not Path(cfg.DATASET.ROOT).exists():
            raise UserError(f"--root {cfg.DATASET.ROOT}: no such folder; give the folder that holds the data sets")
    cfg.OUTPUT_DIR = args.output_dir or str(_output_folder(cfg, chosen, args.opts))
    cfg.freeze()
    return cfg


def _require_trainer(name: str) -> None:
    from dassl.engine import TRAINER_REGISTRY

    known = TRAINER_REGISTRY.registered_names()
    if name not in known:
        near = difflib.get_close_matches(name, known, 1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise UserError(f"--trainer {name}: no such trainer; {hint}There are {', '.join(known)}")


def _config_file(args: argparse.Namespace, configs: Path) -> Path:
    if args.config_file:
        return Path(args.config_file)
    path = configs / DEFAULT_CONFIG.format(trainer=args.trainer)
    if not path.is_file():
        raise UserError(f"--trainer {args.trainer}: no {path.name} for it in {path.parent}; give --config-file")
    return path


def _output_folder(cfg: Any, config_file: Path, opts: Sequence[str]) -> Path:
    """output/<data set>/<trainer>/<config>_<K>shots/seed<s>, with a mark if KEY VALUE pairs changed other settings."""
    others = [pair for pair in zip(opts[::2], opts[1::2]) if pair[0] != "DATASET.NUM_SHOTS"]
    mark = "-" + hashlib.sha256(repr(sorted(others)).encode()).hexdigest()[:6] if others else ""
    name = f"{config_file.stem}_{cfg.DATASET.NUM_SHOTS}shots{mark}"
    return Path("output", cfg.DATASET.NAME, cfg.TRAINER.NAME, name, f"seed{cfg.SEED}")


def run(args: argparse.Namespace) -> None:
    """Train, or test with ``--eval-only``."""
    cfg = setup_config(args)
    if args.show_config:
        print(cfg)
        return
    import torch
    from dassl.engine import build_trainer
    from dassl.utils import set_random_seed, setup_logger

    console = sys.stdout
    set_random_seed(cfg.SEED)
    setup_logger(cfg.OUTPUT_DIR)
    try:
        if torch.cuda.is_available() and cfg.USE_CUDA:
            torch.backends.cudnn.benchmark = True
        if cfg.VERBOSE:
            print(f"*** settings of this run (defaults left out: --show-config) ***\n{_changed(cfg)}\n")
        trainer = build_trainer(cfg)
        if args.eval_only:
            trainer.load_model(args.model_dir, epoch=args.load_epoch)
            trainer.test()
        elif not args.no_train:
            trainer.train()
    finally:
        sys.stdout.flush()
        sys.stdout = console


def _changed(cfg: Any) -> str:
    from softcpt.config import default_config, differences

    return "\n".join(difference.rsplit(", not ", 1)[0] for difference in differences(cfg, default_config()))


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point; exits with status 2 and one line for mistakes of the user."""
    args = parser().parse_args(argv)
    run_command(lambda: run(args), debug=args.debug)
