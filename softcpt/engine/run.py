"""One run: its configuration, its log, then training or a test."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

from softcpt.engine.flag_checks import look_at_flags
from softcpt.engine.run_flags import setup_config
from softcpt.engine.run_folder import LOCK, alone_in, explained_folder
from softcpt.errors import UserError
from softcpt.utils.console import logged

_log = logging.getLogger(__name__)

LOG = "log.txt"


def run(args: argparse.Namespace) -> None:
    """Train, or test with ``--eval-only``; under torchrun, in several processes
    (softcpt/utils/parallel.py)."""
    from softcpt.utils import parallel
    from softcpt.utils.tf32 import tf32_kept

    with parallel.joined_process_group(), tf32_kept():
        _run(args)


def _run(args: argparse.Namespace) -> None:
    from softcpt.engine.results import refuse_overwriting
    from softcpt.utils import parallel

    cfg = setup_config(args)
    if args.show_config:
        _log.info(str(cfg))
        return
    look_at_flags(cfg, args)
    if args.eval_only:
        refuse_overwriting(cfg.OUTPUT_DIR)
    main = parallel.is_main()
    log = Path(cfg.OUTPUT_DIR, LOG)
    made = [folder for folder in (log.parent, *log.parent.parents) if not folder.exists()]
    with alone_in(log.parent) if main else nullcontext(), logged(log) if main else nullcontext():
        if mark := explained_folder(args):
            _log.info(f"{cfg.OUTPUT_DIR}: {mark}")
        with _left_only_if_built(made):
            trainer = _build(cfg)
            _load_prompt(args, trainer)
        _train_or_test(args, trainer)


@contextmanager
def _left_only_if_built(made: Sequence[Path]) -> Iterator[None]:
    """Remove the folders that were ``made`` for a run, innermost first, and the log in them, if it
    cannot even be built, or what it starts from is not there."""
    try:
        yield
    except BaseException:
        for folder in made:
            with suppress(OSError):  # something else is in it
                for name in (LOG, LOCK):
                    (folder / name).unlink(missing_ok=True)
                folder.rmdir()
        raise


def _build(cfg: Any) -> Any:
    """The trainer, with data and model."""
    import torch
    from dassl.engine import TRAINER_REGISTRY, build_trainer
    from dassl.utils import set_random_seed

    from softcpt.engine.their_templates import add_template
    from softcpt.engine.trainer import PromptTrainer
    from softcpt.utils import parallel
    from softcpt.utils.tf32 import set_tf32

    trainer = TRAINER_REGISTRY.get(cfg.TRAINER.NAME)
    if parallel.process_count() > 1 and not issubclass(trainer, PromptTrainer):
        raise UserError(
            f"--trainer {cfg.TRAINER.NAME}: it does not know how to train in several processes; "
            "start it without torchrun"
        )
    set_random_seed(cfg.SEED)
    set_tf32(cfg.USE_TF32)
    if torch.cuda.is_available() and cfg.USE_CUDA:
        torch.backends.cudnn.benchmark = True
    if cfg.VERBOSE:
        _log.info(
            f"*** settings of this run (defaults left out: --show-config) ***\n{_changed(cfg)}\n"
        )
    add_template(trainer, cfg)
    return build_trainer(cfg)


def _load_prompt(args: argparse.Namespace, trainer: Any) -> None:
    """The prompt that is tested, or that training starts from; that there is a run to resume, and
    that what is to be trained can be."""
    from softcpt.engine.continuation import find_run
    from softcpt.engine.trainer import PromptTrainer

    if args.eval_only:
        trainer.load_model(args.model_dir, epoch=args.load_epoch)
        return
    ours = isinstance(trainer, PromptTrainer)
    if args.model_dir and not args.no_train:
        start = trainer.start_from if ours else trainer.load_model
        start(args.model_dir, epoch=args.load_epoch)
    if args.resume and ours:
        find_run(args.resume, required=True)
    if ours and not args.no_train:
        trainer.refuse_training()


def _train_or_test(args: argparse.Namespace, trainer: Any) -> None:
    from softcpt.engine.trainer import PromptTrainer

    if args.eval_only:
        trainer.test()
        if isinstance(trainer, PromptTrainer):
            trainer.report(trained=False)
    elif not args.no_train:
        trainer.train()


def _changed(cfg: Any) -> str:
    from softcpt.engine.config import default_config, differences

    return "\n".join(
        difference.rsplit(", not ", 1)[0] for difference in differences(cfg, default_config())
    )
