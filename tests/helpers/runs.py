"""Runs of train.py and of ``softcpt`` in this process, what they leave behind, and what they
computed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from softcpt.cli import main as cli
from softcpt.cli import train
from softcpt.engine.measuring import Tally
from softcpt.engine.trainer import PromptTrainer
from tests.helpers.toy import arguments

State = dict[str, Tensor]
# Logits are cosines times 100; the same model in other batches differs in the last bits of float32.
LOGIT_TOLERANCE = 1e-3
INTERRUPTED = 130  # exit status of a command that Ctrl-C ends


def run(
    folder: Path, trainer: str, *more: str, out: str = "out", data: str = "", epochs: int = 0
) -> dict[str, Any]:
    """Run train.py on the toy data set, or on ``data``; returns results.json.

    Args:
        folder: holds data, configuration and output.
        trainer: ``--trainer``.
        more: flags, then KEY VALUE pairs.
        out: the output folder's name in ``folder``.
        data: a registered data set.
        epochs: in place of the toy configuration's.
    """
    pairs = ["DATASET.NAME", data] if data else []
    if epochs:
        pairs += ["OPTIM.MAX_EPOCH", str(epochs)]
    train.main(arguments(folder, trainer, "--output-dir", str(folder / out), *more, *pairs))
    return results(folder / out)


def results(folder: Path) -> dict[str, Any]:
    """A run's results.json."""
    return json.loads((folder / "results.json").read_text())


def prompt(folder: Path) -> State:
    """The prompt of a run's last epoch."""
    files = (folder / "prompt").glob("epoch-*.safetensors")
    return load_file(max(files, key=lambda path: int(path.stem.removeprefix("epoch-"))))


def identical(a: State, b: State) -> bool:
    """Whether two prompts are equal, bit for bit."""
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def close(a: State, b: State, atol: float) -> bool:
    """Whether no number of two prompts differs by more than ``atol``."""
    return a.keys() == b.keys() and all(
        torch.allclose(a[name], b[name], rtol=0, atol=atol) for name in a
    )


@contextmanager
def recorded_logits() -> Iterator[list[Tensor]]:
    """(N, C) logits of every test inside, in order; of each image only those of its task's classes
    count, and the others are 0.

    A run's last test is zero-shot, the one before that of its method. Accuracies of two runs that
    compute in other batches are not compared: rounding may tip a random model's arg-max.
    """
    batches: dict[Tally, list[Tensor]] = {}
    tests: list[Tensor] = []
    add = Tally.add

    def record(tally: Tally, logits: Tensor, labels: Tensor) -> None:
        own = tally.tasks.owners(labels)[:, None] == tally.tasks.task_of_class
        batches.setdefault(tally, []).append(logits.detach().float().where(own, 0.0))
        add(tally, logits, labels)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Tally, "add", record)
        yield tests
    tests += map(torch.cat, batches.values())


def agree(a: Sequence[Tensor], b: Sequence[Tensor]) -> bool:
    """Whether tests of the same images found logits within :data:`LOGIT_TOLERANCE`."""
    return len(a) == len(b) > 0 and all(
        torch.allclose(x, y, rtol=0, atol=LOGIT_TOLERANCE) for x, y in zip(a, b, strict=True)
    )


@contextmanager
def interrupted_before(epoch: int) -> Iterator[None]:
    """The run inside is stopped, as by Ctrl-C, before ``epoch``, the first being 0; what it did is
    saved."""
    before_epoch, after_epoch = PromptTrainer.before_epoch, PromptTrainer.after_epoch

    def stop(trainer: PromptTrainer) -> None:
        if trainer.epoch == epoch:
            raise KeyboardInterrupt
        before_epoch(trainer)

    def save(trainer: PromptTrainer) -> None:
        keep_this_epoch(trainer)
        after_epoch(trainer)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PromptTrainer, "before_epoch", stop)
        patch.setattr(PromptTrainer, "after_epoch", save)
        try:
            yield
        except KeyboardInterrupt:
            return
        except SystemExit as end:
            if end.code != INTERRUPTED:
                raise
            return
    pytest.fail(f"the run ended before epoch {epoch}")


def keep_this_epoch(trainer: PromptTrainer) -> None:
    """Let ``after_epoch`` save the run, however fast the epoch was."""
    trainer.saving.share = 1e9


def softcpt_command(*words: object) -> int:
    """``softcpt <words>``; returns its exit status."""
    try:
        cli.main([str(word) for word in words])
    except SystemExit as end:
        return int(end.code or 0)
    return 0
