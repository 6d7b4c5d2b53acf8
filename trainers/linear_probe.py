"""Linear probe: logistic regression on image features, one per task (arXiv 2103.00020); softcpt/prompters/probe.py."""

from __future__ import annotations

from dassl.engine import TRAINER_REGISTRY

from softcpt.fitting import FittingTrainer


@TRAINER_REGISTRY.register()
class LinearProbe(FittingTrainer):
    """logits = W x + b; the strength of regularisation is chosen on validation images."""

    method = "LinearProbe"
