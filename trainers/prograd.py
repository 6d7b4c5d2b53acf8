"""ProGrad: CoOp with gradients that agree with zero-shot CLIP (arXiv 2205.14865);
softcpt/prompters/prograd.py."""

from __future__ import annotations

from dassl.engine import TRAINER_REGISTRY

from softcpt.engine.extension import Extension, OptionsOfNode
from softcpt.engine.trainer import PromptTrainer

# The published code has the loss's options in a node LOSS, and the prompt's among CoOp's; there
# CTX_INIT is a switch.
EXTENSION = Extension(
    read_nodes={"ProGrad": OptionsOfNode("COOP", {"CTX_INIT": ("template", "")})},
    key_aliases={
        "LOSS.LAMBDA": "TRAINER.PROGRAD.PROJECTION",
        "LOSS.T": "TRAINER.PROGRAD.TEMPERATURE",
    },
    fixed_keys={
        "LOSS.NAME": ("prograd", "another loss is another trainer"),
        "LOSS.GM": (False, "its loss of matched gradients is not here"),
    },
)


@TRAINER_REGISTRY.register()
class ProGrad(PromptTrainer):
    """CoOp without the part of its gradient that leads away from zero-shot CLIP; trained is v, a
    set for every task."""

    method = "ProGrad"
