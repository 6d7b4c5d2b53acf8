"""PLOT: contexts matched to places of the image by optimal transport (arXiv 2210.01253);
softcpt/prompters/plot.py."""

from __future__ import annotations

from dassl.engine import TRAINER_REGISTRY

from softcpt.engine.trainer import PromptTrainer


@TRAINER_REGISTRY.register()
class PLOT(PromptTrainer):
    """Logit of a class: similarity of N prompts and M places under their transport plan; trained
    are the N contexts."""

    method = "PLOT"
