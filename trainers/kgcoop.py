"""KgCoOp: CoOp held near the hand-written prompts (arXiv 2303.13283);
softcpt/prompters/kgcoop.py."""

from __future__ import annotations

from dassl.engine import TRAINER_REGISTRY

from softcpt.engine.extension import Extension
from softcpt.engine.trainer import PromptTrainer

# The published code has its weight among CoOp's options.
EXTENSION = Extension(key_aliases={"TRAINER.COOP.W": "TRAINER.KGCOOP.WEIGHT"})


@TRAINER_REGISTRY.register()
class KgCoOp(PromptTrainer):
    """CoOp with the distance to the hand-written prompts in its loss; trained is v, a set for every
    task."""

    method = "KgCoOp"
