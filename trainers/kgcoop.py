"""KgCoOp: CoOp held near the hand-written prompts (arXiv 2303.13283);
softcpt/prompters/kgcoop.py."""

from __future__ import annotations

from dassl.engine import TRAINER_REGISTRY

from softcpt.engine.extension import Extension, OptionsOfNode
from softcpt.engine.trainer import PromptTrainer

# The published code has its options among CoOp's; CTX_INIT is a switch there.
EXTENSION = Extension(
    read_nodes={"KgCoOp": OptionsOfNode("COOP", {"CTX_INIT": ("a photo of a", "")})}
)


@TRAINER_REGISTRY.register()
class KgCoOp(PromptTrainer):
    """CoOp with the distance to the hand-written prompts in its loss; trained is v, a set for every
    task."""

    method = "KgCoOp"
