"""GDA: Gaussian discriminant analysis beside zero-shot (arXiv 2402.04087);
softcpt/prompters/heads/gda.py."""

from __future__ import annotations

from dassl.engine import TRAINER_REGISTRY

from softcpt.engine.fit_trainer import FitTrainer


@TRAINER_REGISTRY.register()
class GDA(FitTrainer):
    """tau f . t_c + alpha (f' P m_c - m_c' P m_c / 2)."""

    method = "GDA"
