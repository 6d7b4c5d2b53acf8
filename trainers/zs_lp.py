"""ZS-LP: a linear probe on cosines that starts at zero-shot (arXiv 2312.12730);
softcpt/prompters/heads/zs_lp.py."""

from __future__ import annotations

from dassl.engine import TRAINER_REGISTRY

from softcpt.engine.fit_trainer import FitTrainer


@TRAINER_REGISTRY.register()
class ZSLP(FitTrainer):
    """tau f . w_c / |w_c|, w_c from t_c."""

    method = "ZS-LP"
