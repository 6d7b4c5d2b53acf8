"""Cross-modal linear probe: class names are training samples too (arXiv 2301.06267);
softcpt/prompters/heads/cross_modal.py."""

from __future__ import annotations

from dassl.engine import TRAINER_REGISTRY

from softcpt.engine.fit_trainer import FitTrainer


@TRAINER_REGISTRY.register()
class CrossModal(FitTrainer):
    """A linear probe on images and names."""

    method = "CrossModal"
