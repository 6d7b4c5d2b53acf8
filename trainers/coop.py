"""CoOp: free context vectors, one set per task (arXiv 2109.01134); softcpt/prompters/coop.py."""

from __future__ import annotations

from dassl.engine import TRAINER_REGISTRY

from softcpt.engine.trainer import PromptTrainer


@TRAINER_REGISTRY.register()
class CoOp(PromptTrainer):
    """w_c = text(v, name of c); trained is v, a set for every task."""

    method = "CoOp"
