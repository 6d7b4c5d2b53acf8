"""A Dassl trainer that keeps prompts and the state of a run, and continues a run bit for bit."""

from __future__ import annotations

import logging
from typing import Any

from yacs.config import CfgNode

from softcpt import selection
from softcpt.artefacts import checkpoint
from softcpt.engine.continuation import RunIdentity, data_digest, find_run
from softcpt.engine.dassl_trainer import DasslTrainer
from softcpt.engine.early_stop import EarlyStop
from softcpt.engine.kept_prompts import load_prompt, save_prompt
from softcpt.engine.learner import Learner
from softcpt.engine.run_inputs import RunData
from softcpt.prompters import TaskClassifier
from softcpt.utils import parallel

_log = logging.getLogger(__name__)


class ResumableTrainer(DasslTrainer):
    """What a subclass builds is saved, loaded and continued here.

    Attributes:
        method: name for :func:`softcpt.build_method`.
        learns: whether there is something to train, and to load for a test.
        data: tasks and batches.
        learner: trains and tests the method.
        given_cfg: the settings as they were given. ``cfg`` differs where validation images are
            missing, see :func:`softcpt.selection.settled`.
        loaded: the prompt that :meth:`load_model` read: its file and epoch.
        source: the same of the prompt that training started from, and a hash of what it gave.
        selected: what was chosen on which images for the prompt at hand; None: nothing
            (docs/results.md).
        early_stop: when training ends before its last epoch; None: never.
    """

    method = ""
    learns = True

    given_cfg: CfgNode
    data: RunData
    learner: Learner
    loaded: dict[str, Any] | None
    source: dict[str, Any] | None
    selected: dict[str, Any] | None
    early_stop: EarlyStop | None = None

    @property
    def prompter(self) -> TaskClassifier:
        """The method, registered as "prompt_learner"."""
        return self.learner.method

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

    def _identity(self) -> RunIdentity:
        data = data_digest(self.data.tasks, self.data.digest(self.data.items["train"]))
        return RunIdentity(self.given_cfg, self.cfg.TEST.FINAL_MODEL, data, self.source)

    def save_run(self, done: int) -> None:
        """Keep what a continuation after ``done`` epochs needs."""
        tensors, facts = self.learner.state()
        header = self._identity().header() | {
            **facts,
            "epoch": done,
            "best": self.best_result if self.best_result > float("-inf") else None,
            "selected": self.selected,
            "early_stop": None if self.early_stop is None else self.early_stop.state(),
            "sha256": checkpoint.digest(tensors),
        }
        if parallel.is_main():
            checkpoint.save_tensors(checkpoint.resume_file(self.output_dir), tensors, header)

    def resume_model_if_exist(self, directory: str) -> int:
        """Continue a run that was stopped; returns the epochs done. Settings must be those of that
        run."""
        found = find_run(directory, required=bool(self.cfg.RESUME))
        if found is None:
            return 0
        tensors, header = found
        self._identity().refuse_another(directory, header)
        done = int(header["epoch"])
        self.learner.load_state(tensors, header, done, checkpoint.resume_file(directory))
        self.selected = header.get("selected")
        if header["best"] is not None:
            self.best_result = header["best"]
        if self.early_stop is not None:
            self.early_stop.load(header.get("early_stop"), checkpoint.resume_file(directory))
            if self.early_stop.stops:  # the loop finds nothing left to train
                self.max_epoch = done
        _log.info(f"resuming from {directory} after epoch {done}")
        return done
