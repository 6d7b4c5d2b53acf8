"""Tip-Adapter-F: the cache's keys are trained (arXiv 2111.03930);
softcpt/prompters/heads/tip_adapter_f.py."""

from __future__ import annotations

from dassl.engine import TRAINER_REGISTRY

from softcpt.engine.fit_trainer import FitTrainer


@TRAINER_REGISTRY.register()
class TipAdapterF(FitTrainer):
    """Tip-Adapter with trained F."""

    method = "Tip-Adapter-F"
