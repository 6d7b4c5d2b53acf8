"""ProGrad: CoOp with gradients that agree with zero-shot CLIP (arXiv 2205.14865);
softcpt/prompters/prograd.py."""

from __future__ import annotations

from dassl.engine import TRAINER_REGISTRY

from softcpt.engine.trainer import PromptTrainer


@TRAINER_REGISTRY.register()
class ProGrad(PromptTrainer):
    """CoOp without the part of its gradient that leads away from zero-shot CLIP; trained is v, a
    set for every task."""

    method = "ProGrad"
