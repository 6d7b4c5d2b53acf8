"""Class means beside class names, nothing optimised; softcpt/prompters/heads/means_text.py."""

from __future__ import annotations

from dassl.engine import TRAINER_REGISTRY

from softcpt.engine.fit_trainer import FitTrainer


@TRAINER_REGISTRY.register()
class MeansText(FitTrainer):
    """w_c = t_c + alpha m_c / |m_c|."""

    method = "MeansText"
