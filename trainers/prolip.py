"""ProLIP: the image tower's projection is trained (arXiv 2410.05270);
softcpt/prompters/heads/prolip.py."""

from __future__ import annotations

from dassl.engine import TRAINER_REGISTRY

from softcpt.engine.fit_trainer import FitTrainer


@TRAINER_REGISTRY.register()
class ProLIP(FitTrainer):
    """f = normalise(v W), W trained for each task."""

    method = "ProLIP"
