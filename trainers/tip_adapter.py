"""Tip-Adapter: a cache of training features beside zero-shot (arXiv 2111.03930);
softcpt/prompters/heads/tip_adapter.py."""

from __future__ import annotations

from dassl.engine import TRAINER_REGISTRY

from softcpt.engine.fit_trainer import FitTrainer


@TRAINER_REGISTRY.register()
class TipAdapter(FitTrainer):
    """tau f . t_c + alpha sum_m exp(-beta (1 - f . F_m)) L_mc."""

    method = "Tip-Adapter"
