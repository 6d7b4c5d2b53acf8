"""LP++: a linear probe beside scaled class embeddings (arXiv 2404.02285);
softcpt/prompters/heads/lp_plus_plus.py."""

from __future__ import annotations

from dassl.engine import TRAINER_REGISTRY

from softcpt.engine.fit_trainer import FitTrainer


@TRAINER_REGISTRY.register()
class LPPlusPlus(FitTrainer):
    """f . (w_c + alpha_c t_c) + b_c."""

    method = "LP++"
