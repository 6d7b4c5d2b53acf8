"""The command line ``train.py``, which is ``softcpt train``: from flags to a trainer that trains or
tests."""

from __future__ import annotations

import argparse
import difflib
import hashlib
import os
import secrets
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from softcpt.errors import UserError
from softcpt.utils.allocator import keep_freed_memory
from softcpt.utils.console import logged, run_command

DEFAULT_DATASET_CONFIG = "datasets/emoji44.yaml"
DEFAULT_CONFIG = "trainers/{trainer}/tiny.yaml"


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
        default="SoftCPT",
        help="method: SoftCPT, CoOp, ZeroshotCLIP or a file of yours in trainers/",
    )
    add("--root", default="", help="folder of all data sets")
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
    """Defaults < data set yaml < trainer yaml < flags < KEY VALUE pairs; frozen."""
    from softcpt import plugins
    from softcpt.engine import config
    from softcpt.engine.extension import extensions
    from softcpt.utils import parallel

    plugins.load("datasets")
    cfg = config.default_config()
    _require_trainer(args.trainer)
    if args.eval_only and not args.model_dir and _learns(args.trainer):
        raise UserError("--eval-only: it needs --model-dir with the folder of a training run")
    chosen = _config_file(args, plugins.folder("configs"))
    config.merge_file(
        cfg, args.dataset_config_file or plugins.folder("configs") / DEFAULT_DATASET_CONFIG
    )
    config.merge_file(cfg, chosen)
    flags = {
        "DATASET.ROOT": args.root,
        "RESUME": args.resume,
        "DATASET.SOURCE_DOMAINS": args.source_domains,
        "DATASET.TARGET_DOMAINS": args.target_domains,
        "INPUT.TRANSFORMS": args.transforms,
        "MODEL.BACKBONE.NAME": args.backbone,
        "MODEL.HEAD.NAME": args.head,
        "TRAINER.NAME": args.trainer,
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
    if cfg.SEED < 0:
        # Unseeded, but written down: the run can be continued and repeated.
        cfg.SEED = parallel.from_main(secrets.randbelow(2**31))
    if cfg.DATASET.ROOT:
        cfg.DATASET.ROOT = str(Path(cfg.DATASET.ROOT).expanduser().absolute())
        if not Path(cfg.DATASET.ROOT).exists():
            raise UserError(
                f"--root {cfg.DATASET.ROOT}: no such folder; give the folder that holds the data "
                "sets"
            )
    cfg.OUTPUT_DIR = args.output_dir or str(_output_folder(cfg, chosen, args))
    cfg.freeze()
    return cfg


def _require_trainer(name: str) -> None:
    from dassl.engine import TRAINER_REGISTRY

    known = TRAINER_REGISTRY.registered_names()
    if name not in known:
        near = difflib.get_close_matches(name, known, 1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise UserError(f"--trainer {name}: no such trainer; {hint}There are {', '.join(known)}")


def _learns(name: str) -> bool:
    """Whether the trainer has something to load; those written for CoOp's code base decide for
    themselves."""
    from dassl.engine import TRAINER_REGISTRY

    return getattr(TRAINER_REGISTRY.get(name), "learns", False)


def _config_file(args: argparse.Namespace, configs: Path) -> Path:
    if args.config_file:
        return Path(args.config_file)
    path = configs / DEFAULT_CONFIG.format(trainer=args.trainer)
    if not path.is_file():
        there = ", ".join(sorted(str(file) for file in path.parent.glob("*.yaml")))
        raise UserError(
            f"--trainer {args.trainer}: no {path.name} for it; give "
            f"--config-file{there and ', one of '}{there}"
        )
    return path


def _output_folder(cfg: Any, config_file: Path, args: argparse.Namespace) -> Path:
    """output/<data set>/<trainer>/<config>_<K>shots/seed<s>, with a mark if other settings were
    given or it starts from a prompt.

    A run with --eval-only has output/evaluation/... of that form.
    """
    from softcpt.engine.extension import extensions

    others = list(zip(args.opts[::2], args.opts[1::2]))
    others += (
        []
        if args.eval_only or not args.model_dir
        else [("--model-dir", f"{args.model_dir} {args.load_epoch}")]
    )
    for extension in extensions():
        others += extension.run_marks(args)
    name = f"{config_file.stem}_{cfg.DATASET.NUM_SHOTS}shots{settings_mark(others)}"
    root = Path("output", "evaluation") if args.eval_only else Path("output")
    return root / cfg.DATASET.NAME / cfg.TRAINER.NAME / name / f"seed{cfg.SEED}"


def settings_mark(pairs: Sequence[tuple[str, str]]) -> str:
    """What tells the folders of runs with such ``KEY VALUE`` pairs from others; "" if there are
    none but the shots."""
    others = sorted(pair for pair in pairs if pair[0] != "DATASET.NUM_SHOTS")
    return "-" + hashlib.sha256(repr(others).encode()).hexdigest()[:6] if others else ""


def run(args: argparse.Namespace) -> None:
    """Train, or test with ``--eval-only``; under torchrun, in several processes
    (softcpt/utils/parallel.py)."""
    from softcpt.utils import parallel

    with parallel.joined():
        _run(args)


def _run(args: argparse.Namespace) -> None:
    cfg = setup_config(args)
    if args.show_config:
        print(cfg)
        return
    from softcpt.engine.results import refuse_overwriting
    from softcpt.utils import parallel

    if args.eval_only:
        refuse_overwriting(cfg.OUTPUT_DIR)
    with logged(Path(cfg.OUTPUT_DIR, "log.txt")) if parallel.is_main() else nullcontext():
        _train_or_test(args, cfg)


def _train_or_test(args: argparse.Namespace, cfg: Any) -> None:
    import torch
    from dassl.engine import TRAINER_REGISTRY, build_trainer
    from dassl.utils import set_random_seed

    from softcpt.engine.trainer import PromptTrainer
    from softcpt.utils import parallel

    if parallel.count() > 1 and not issubclass(TRAINER_REGISTRY.get(args.trainer), PromptTrainer):
        raise UserError(
            f"--trainer {args.trainer}: it does not know how to train in several processes; start "
            "it without "
            "torchrun"
        )
    set_random_seed(cfg.SEED)
    if torch.cuda.is_available() and cfg.USE_CUDA:
        torch.backends.cudnn.benchmark = True
    if cfg.VERBOSE:
        print(f"*** settings of this run (defaults left out: --show-config) ***\n{_changed(cfg)}\n")
    trainer = build_trainer(cfg)
    if args.eval_only:
        trainer.load_model(args.model_dir, epoch=args.load_epoch)
        trainer.test()
        if isinstance(trainer, PromptTrainer):
            trainer.report(trained=False)
    elif not args.no_train:
        if args.model_dir:
            start = trainer.start_from if isinstance(trainer, PromptTrainer) else trainer.load_model
            start(args.model_dir, epoch=args.load_epoch)
        trainer.train()


def _changed(cfg: Any) -> str:
    from softcpt.engine.config import default_config, differences

    return "\n".join(
        difference.rsplit(", not ", 1)[0] for difference in differences(cfg, default_config())
    )


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point; exits with status 2 and one line for mistakes of the user."""
    given = sys.argv[1:] if argv is None else list(argv)
    keep_freed_memory()
    if "TORCHELASTIC_RUN_ID" in os.environ and os.environ["RANK"] != "0":
        os.environ["TQDM_DISABLE"] = "1"  # before tqdm is imported: one process's bars are enough
    run_command(lambda: run(parser().parse_args(given)), debug="--debug" in given)
