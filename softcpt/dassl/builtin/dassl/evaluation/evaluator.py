"""Accuracy, macro F1, per-class accuracy and the confusion matrix."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from yacs.config import CfgNode

from softcpt.errors import UserError
from softcpt.utils.files import atomic_write, file_for_torch

from .build import EVALUATOR_REGISTRY


class EvaluatorBase:
    """Collects predictions batch by batch and turns them into results."""

    def __init__(self, cfg: CfgNode) -> None:
        self.cfg = cfg

    def reset(self) -> None:
        """Forget all batches."""
        raise NotImplementedError

    def process(self, mo: torch.Tensor, gt: torch.Tensor) -> None:
        """Add a batch: model output (B, C) and true classes (B,)."""
        raise NotImplementedError

    def evaluate(self) -> Mapping[str, float]:
        """Results in percent; the first one ranks models."""
        raise NotImplementedError


@EVALUATOR_REGISTRY.register()
class Classification(EvaluatorBase):
    """Single-label classification.

    Prints the block that result parsers of the CoOp family read, with two decimals.
    """

    def __init__(self, cfg: CfgNode, lab2cname: Mapping[int, str] | None = None, **_: Any) -> None:
        super().__init__(cfg)
        if lab2cname is None and cfg.TEST.PER_CLASS_RESULT:
            raise AssertionError("TEST.PER_CLASS_RESULT: class names are needed; pass lab2cname")
        self._names = lab2cname or {}
        self.reset()

    def reset(self) -> None:
        """Forget all batches."""
        self._batches: list[tuple[torch.Tensor, torch.Tensor]] = []

    def process(self, mo: torch.Tensor, gt: torch.Tensor) -> None:
        """Add a batch: logits (B, C) and true classes (B,)."""
        self._batches.append((gt.cpu(), mo.argmax(dim=1).cpu()))

    def evaluate(self) -> dict[str, float]:
        """accuracy, error_rate, macro_f1 (over the classes present), perclass_accuracy if asked
        for; in percent."""
        # Here, not at the top: trainers of softcpt count for themselves, and start earlier so.
        from sklearn.metrics import f1_score

        if not self._batches:
            raise UserError("Classification: no image was evaluated; is the test set empty?")
        true, predicted = (torch.cat(parts).numpy() for parts in zip(*self._batches))
        right = true == predicted
        correct = int(right.sum())
        accuracy = 100.0 * correct / len(true)
        f1 = 100.0 * float(f1_score(true, predicted, average="macro", labels=np.unique(true)))
        results = {"accuracy": accuracy, "error_rate": 100.0 - accuracy, "macro_f1": f1}
        print(f"=> result\n* total: {len(true):,}\n* correct: {correct:,}")
        for name, value in zip(("accuracy", "error", "macro_f1"), results.values()):
            print(f"* {name}: {value:.2f}%")
        if self.cfg.TEST.PER_CLASS_RESULT:
            results["perclass_accuracy"] = self._per_class(true, right)
        if self.cfg.TEST.COMPUTE_CMAT:
            self._save_confusion_matrix(true, predicted)
        return results

    def _per_class(self, true: np.ndarray, right: np.ndarray) -> float:
        """Print the accuracy of each class present and return their mean."""
        of_class = {label: right[true == label] for label in np.unique(true).tolist()}
        print("=> per-class result")
        for label, hits in of_class.items():
            print(
                f"* class: {label} ({self._names[label]})\ttotal: {len(hits):,}\t"
                f"correct: {int(hits.sum()):,}\tacc: {100.0 * hits.mean():.2f}%"
            )
        mean = 100.0 * float(np.mean([hits.mean() for hits in of_class.values()]))
        print(f"* average: {mean:.2f}%")
        return mean

    def _save_confusion_matrix(self, true: np.ndarray, predicted: np.ndarray) -> None:
        """Write the row-normalised matrix as a tensor (C, C), rows true classes."""
        from sklearn.metrics import confusion_matrix

        path = os.path.join(self.cfg.OUTPUT_DIR, "cmat.pt")
        with atomic_write(path) as temporary, file_for_torch(temporary) as file:
            torch.save(torch.from_numpy(confusion_matrix(true, predicted, normalize="true")), file)
        print(f"confusion matrix: {path}")
