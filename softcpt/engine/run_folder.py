"""Where a run writes if nobody says it, what the mark in that folder's name stands for, and that
no other run writes there."""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import Timeout

from softcpt.engine import images_flag
from softcpt.errors import UserError
from softcpt.utils.locks import file_lock

LOCK = ".lock"
# Loader processes of a run that was killed hold its lock until they notice, after 5 seconds at
# most.
PATIENCE = 10.0


@contextmanager
def alone_in(folder: str | Path) -> Iterator[None]:
    """Hold the lock of an output folder, which is made; the system frees it when its holder dies.

    Raises:
        UserError: another process runs into the folder.
        OSError: the folder cannot be made, or its file system has no locks.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    lock = file_lock(folder / LOCK)
    try:
        lock.acquire(timeout=PATIENCE, poll_interval=0.1)
    except Timeout as error:
        raise UserError(
            f"{folder}: another run writes into it now; wait for its end, or choose another "
            "--output-dir"
        ) from error
    try:
        yield
    finally:
        lock.release()


def output_folder(cfg: Any, config_name: str, args: argparse.Namespace) -> Path:
    """output/<data set>/<trainer>/<config>_<K>shots/seed<s>, with a mark if other settings were
    given or it starts from a prompt.

    A run with --eval-only has output/evaluation/... of that form.
    """
    name = f"{config_name}_{cfg.DATASET.NUM_SHOTS}shots{settings_mark(_marked(args))}"
    root = Path("output", "evaluation") if args.eval_only else Path("output")
    data = images_flag.name_in_output(args.images) if args.images else str(cfg.DATASET.NAME)
    return root / data / str(cfg.TRAINER.NAME) / name / f"seed{cfg.SEED}"


def settings_mark(pairs: Sequence[tuple[str, str]]) -> str:
    """What tells the folders of runs with such ``KEY VALUE`` pairs from others; "" if there are
    none but the shots."""
    others = _that_count(pairs)
    return "-" + hashlib.sha256(repr(others).encode()).hexdigest()[:6] if others else ""


def explained_mark(pairs: Sequence[tuple[str, str]]) -> str:
    """A line that says what a folder's mark stands for; "" if it has none."""
    # No epoch given is a None behind --model-dir, and always was in what is hashed.
    others = ", ".join(
        f"{name} {value.removesuffix(' None')}" for name, value in _that_count(pairs)
    )
    return f"'{settings_mark(pairs)}' in the folder's name stands for: {others}" if others else ""


def explained_folder(args: argparse.Namespace) -> str:
    """The same for the folder of a run; "" if its folder was given."""
    return "" if args.output_dir else explained_mark(_marked(args))


def _marked(args: argparse.Namespace) -> list[tuple[str, str]]:
    """(name, value) of what in the flags may make another run than the names in its folder say."""
    from softcpt.engine.extension import extensions

    pairs = list(zip(args.opts[::2], args.opts[1::2]))
    if args.model_dir and not args.eval_only:
        pairs.append(("--model-dir", f"{args.model_dir} {args.load_epoch}"))
    if args.task_names:
        pairs.append(("--task-names", " ".join(args.task_names)))
    for extension in extensions():
        pairs += extension.run_marks(args)
    return pairs


def _that_count(pairs: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    return sorted(pair for pair in pairs if pair[0] != "DATASET.NUM_SHOTS")
