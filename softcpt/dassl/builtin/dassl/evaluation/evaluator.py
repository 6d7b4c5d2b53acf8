"""Accuracy, macro F1, per-class accuracy and the confusion matrix."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from sklearn.metrics import confusion_matrix, f1_score
from yacs.config import CfgNode

from softcpt.errors import UserError
from softcpt.files import atomic_write

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
        if cfg.TEST.PER_CLASS_RESULT and lab2cname is None:
            raise AssertionError("TEST.PER_CLASS_RESULT: class names are needed; pass lab2cname")
        self._lab2cname = lab2cname
        self.reset()

    def reset(self) -> None:
        """Forget all batches."""
        self._y_true: list[int] = []
        self._y_pred: list[int] = []

    def process(self, mo: torch.Tensor, gt: torch.Tensor) -> None:
        """Add a batch: logits (B, C) and true classes (B,)."""
        self._y_true.extend(gt.tolist())
        self._y_pred.extend(mo.argmax(dim=1).tolist())

    def evaluate(self) -> OrderedDict[str, float]:
        """accuracy, error_rate, macro_f1 (over the classes present), perclass_accuracy if asked for; in percent."""
        if not self._y_true:
            raise UserError("Classification: no image was evaluated; is the test set empty?")
        true, predicted = np.array(self._y_true), np.array(self._y_pred)
        correct = int((true == predicted).sum())
        accuracy = 100.0 * correct / len(true)
        macro_f1 = 100.0 * float(f1_score(true, predicted, average="macro", labels=np.unique(true)))
        results = OrderedDict(accuracy=accuracy, error_rate=100.0 - accuracy, macro_f1=macro_f1)
        print(
            "=> result\n"
            f"* total: {len(true):,}\n"
            f"* correct: {correct:,}\n"
            f"* accuracy: {accuracy:.2f}%\n"
            f"* error: {100.0 - accuracy:.2f}%\n"
            f"* macro_f1: {macro_f1:.2f}%"
        )
        if self.cfg.TEST.PER_CLASS_RESULT:
            results["perclass_accuracy"] = self._per_class(true, predicted)
        if self.cfg.TEST.COMPUTE_CMAT:
            self._save_confusion_matrix(true, predicted)
        return results

    def _per_class(self, true: np.ndarray, predicted: np.ndarray) -> float:
        """Print each class's accuracy and return their mean."""
        print("=> per-class result")
        accuracies = []
        for label in np.unique(true).tolist():
            hits = predicted[true == label] == label
            accuracies.append(100.0 * float(hits.mean()))
            print(
                f"* class: {label} ({self._lab2cname[label]})\ttotal: {len(hits):,}\t"
                f"correct: {int(hits.sum()):,}\tacc: {accuracies[-1]:.2f}%"
            )
        mean = float(np.mean(accuracies))
        print(f"* average: {mean:.2f}%")
        return mean

    def _save_confusion_matrix(self, true: np.ndarray, predicted: np.ndarray) -> None:
        """Write the row-normalised matrix as a tensor (C, C), rows true classes."""
        matrix = torch.from_numpy(confusion_matrix(true, predicted, normalize="true"))
        path = os.path.join(self.cfg.OUTPUT_DIR, "cmat.pt")
        with atomic_write(path) as temporary:
            torch.save(matrix, temporary)
        print(f"Confusion matrix is saved to {path}")
