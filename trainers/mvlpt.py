"""MVLPT: CoOp, VPT or UPT, as the lengths in TRAINER.MVLPT say (arXiv 2211.11720);
softcpt/engine/mvlpt.py."""

from __future__ import annotations

from typing import Any

from dassl.engine import TRAINER_REGISTRY

from softcpt.engine import mvlpt
from softcpt.engine.trainer import PromptTrainer


@TRAINER_REGISTRY.register()
class MVLPT(PromptTrainer):
    """One prompt for all tasks, whose classes share a softmax; ``method`` is what the published
    keys describe."""

    def check_cfg(self, cfg: Any) -> None:
        """Refuse settings that do not fit; called first by Dassl."""
        super().check_cfg(cfg)
        self.method = mvlpt.method_and_options(cfg)[0]

    def build_data_loader(self) -> None:
        """The data set's batches; the task whose metric counts must be one of its own."""
        super().build_data_loader()
        self.counting_task = mvlpt.counting_task(self.cfg, self.tasks)

    def method_options(self) -> dict[str, Any]:
        """Keyword options of ``build_prompter``."""
        return mvlpt.method_and_options(self.cfg)[1]

    def _precision(self) -> str:
        return self.cfg.TRAINER.MVLPT.PREC

    def _test_on(self, split: str) -> float:
        mean = super()._test_on(split)
        if self.counting_task is None:
            return mean
        return next(
            result.metric for result in self.evaluator.results if result.name == self.counting_task
        )
