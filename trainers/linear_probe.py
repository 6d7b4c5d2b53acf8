"""Linear probe: logistic regression on image features, one per task (arXiv 2103.00020);
softcpt/prompters/linear_probe.py."""

from __future__ import annotations

from dassl.engine import TRAINER_REGISTRY

from softcpt.engine.extension import Extension, TrainerAlias
from softcpt.engine.fit_trainer import FitTrainer

# SoftCPT's folder of configurations.
EXTENSION = Extension(trainer_aliases={"LP": TrainerAlias("LinearProbe")})


@TRAINER_REGISTRY.register()
class LinearProbe(FitTrainer):
    """logits = W x + b; the strength of regularisation is chosen on validation images."""

    method = "LinearProbe"
