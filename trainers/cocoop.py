"""CoCoOp: context vectors that depend on the image (arXiv 2203.05557);
softcpt/prompters/cocoop.py."""

from __future__ import annotations

from dassl.engine import TRAINER_REGISTRY

from softcpt.engine.trainer import PromptTrainer


@TRAINER_REGISTRY.register()
class CoCoOp(PromptTrainer):
    """w_c(x) = text(v + meta(x), name of c); trained are v and the network meta, a set for every
    task."""

    method = "CoCoOp"
