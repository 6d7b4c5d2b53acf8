"""CLAP: ZS-LP held near zero-shot, class by class (arXiv 2312.12730);
softcpt/prompters/heads/clap.py."""

from __future__ import annotations

from dassl.engine import TRAINER_REGISTRY

from softcpt.engine.fit_trainer import FitTrainer


@TRAINER_REGISTRY.register()
class CLAP(FitTrainer):
    """ZS-LP with the mean of lambda_c |w_c - t_c|^2."""

    method = "CLAP"
