"""A Dassl trainer that keeps prompts and the state of a run, and continues a run bit for bit."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from yacs.config import CfgNode

from softcpt import selection
from softcpt.artefacts import checkpoint
from softcpt.clip.model import Clip
from softcpt.engine.continuation import RunIdentity, data_digest, find_run, images_digest
from softcpt.engine.dassl_trainer import DasslTrainer
from softcpt.engine.kept_prompts import load_prompt, save_prompt
from softcpt.prompters import TaskClassifier
from softcpt.tasks import TaskSet
from softcpt.utils import parallel
from softcpt.utils.stopwatch import Stopwatch

_log = logging.getLogger(__name__)


class ResumableTrainer(DasslTrainer):
    """What a subclass builds is saved, loaded and continued here.

    Attributes:
        method: name for :func:`softcpt.build_prompter`.
        learns: whether there is something to train, and to load for a test.
        prompter: the method, registered as "prompt_learner".
        tasks: the data set's tasks; a data set without ``tasks`` is one task.
        given_cfg: the settings as they were given. ``cfg`` differs where validation images are
            missing, see :func:`softcpt.selection.settled`.
        loaded: the prompt that :meth:`load_model` read: its file and epoch.
        source: the same of the prompt that training started from, and a hash of what it gave.
        selected: what was chosen on which images for the prompt at hand; None: nothing
            (docs/results.md).
        curve: per epoch its number and mean loss.
        repeats: how often the schedule is stepped after an epoch.
    """

    method = ""
    learns = True

    given_cfg: CfgNode
    dataset: Any
    tasks: TaskSet
    clip: Clip
    prompter: TaskClassifier
    optim: Optimizer | None
    sched: LRScheduler | None
    repeats: int
    watch: Stopwatch
    curve: list[dict[str, float]]
    loaded: dict[str, Any] | None
    source: dict[str, Any] | None
    selected: dict[str, Any] | None

    # -- prompts -----------------------------------------------------------------------------------

    def save_model(
        self,
        epoch: int,
        directory: str,
        is_best: bool = False,
        val_result: float | None = None,
        model_name: str = "",
    ) -> None:
        """Write the prompt of an epoch (0-based), or the best one, as safetensors."""
        best = is_best or model_name.startswith("model-best")
        path = checkpoint.prompt_file(directory, None if best else epoch + 1)
        selected = selection.of_epoch(epoch + 1, "val") if best else self.selected
        save_prompt(path, self.method, self.prompter, epoch + 1, val_result, selected)

    def load_model(self, directory: str, epoch: int | None = None) -> None:
        """Load the prompt of ``epoch`` (1-based) from the folder of a run, see
        :func:`softcpt.engine.kept_prompts.load_prompt`."""
        if self.learns:
            found = load_prompt(self.prompter, directory, epoch)
            self.loaded, self.selected = found.to_dict(), found.selected

    def start_from(self, directory: str, epoch: int | None = None) -> None:
        """Train on from a prompt that :meth:`load_model` can load; of SoftCPT, from the contexts
        that it makes.

        That is MVLPT's adaptation of a source prompt to a target task, or to a group of them.
        """
        self.load_model(directory, epoch)
        if self.loaded:
            digest = checkpoint.digest(self.prompter.reference_state())
            self.source = self.loaded | {"digest": digest}
            self.loaded = self.selected = None

    # -- continuation ------------------------------------------------------------------------------

    def images_digest(self, items: Sequence[Any]) -> str:
        """A hash of the items' paths below the data root and their labels, in their order."""
        return images_digest(items, self.data_root)

    @property
    def data_root(self) -> str:
        """Where paths of images start from."""
        root: str = self.cfg.DATASET.ROOT or getattr(self.dataset, "dataset_dir", "") or "/"
        return root

    def _identity(self) -> RunIdentity:
        data = data_digest(self.tasks, self.images_digest(self.dataset.train_x))
        return RunIdentity(self.given_cfg, self.cfg.TEST.FINAL_MODEL, data, self.source)

    def save_run(self, done: int) -> None:
        """Keep what a continuation after ``done`` epochs needs."""
        header = self._identity().header() | {
            "epoch": done,
            "seconds": self.watch.seconds(),
            "curve": self.curve,
            "best": self.best_result if self.best_result > float("-inf") else None,
            "selected": self.selected,
        }
        if parallel.is_main():
            checkpoint.save_run(self.output_dir, self.prompter, self.optim, header)

    def resume_model_if_exist(self, directory: str) -> int:
        """Continue a run that was stopped; returns the epochs done. Settings must be those of that
        run."""
        header = find_run(directory, required=bool(self.cfg.RESUME))
        if header is None:
            return 0
        self._identity().refuse_another(directory, header)
        checkpoint.load_run(directory, self.prompter, self.optim)
        done = int(header["epoch"])
        self._replay_schedule(done)
        self.watch, self.curve = Stopwatch(header["seconds"]), header["curve"]
        self.selected = header.get("selected")
        if header["best"] is not None:
            self.best_result = header["best"]
        _log.info(f"resuming from {directory} after epoch {done}")
        return done

    def _replay_schedule(self, epochs: int) -> None:
        """Bring the schedule, a function of the epoch, to where it was."""
        if self.sched is None:
            return
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Detected call of `lr_scheduler.step", UserWarning)
            for _ in range(epochs * self.repeats):
                self.sched.step()
