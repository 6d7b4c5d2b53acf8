"""ProKeR: kernel ridge regression of what zero-shot gets wrong (arXiv 2501.11175);
softcpt/prompters/heads/proker.py."""

from __future__ import annotations

from dassl.engine import TRAINER_REGISTRY

from softcpt.engine.fit_trainer import FitTrainer


@TRAINER_REGISTRY.register()
class ProKeR(FitTrainer):
    """z(f) + k(f, X) (k(X, X) + lambda I)^-1 (Y - z(X))."""

    method = "ProKeR"
