"""VPT: prompts of the image tower, shallow or deep (arXiv 2203.12119); softcpt/prompters/vpt.py."""

from __future__ import annotations

from dassl.engine import TRAINER_REGISTRY

from softcpt.engine.trainer import PromptTrainer


@TRAINER_REGISTRY.register()
class VPT(PromptTrainer):
    """f = image(x; P), w_c = text("a photo of a {name of c}."); trained is P, one set for all
    tasks."""

    method = "VPT"
