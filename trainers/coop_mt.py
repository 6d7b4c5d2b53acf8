"""CoOp-MT: one context for all tasks, the baseline of SoftCPT (arXiv 2208.13474);
softcpt/prompters/coop.py."""

from __future__ import annotations

from dassl.engine import TRAINER_REGISTRY

from softcpt.engine.trainer import PromptTrainer


@TRAINER_REGISTRY.register()
class CoOpMT(PromptTrainer):
    """w_c = text(v, name of c); trained is v, the same for all tasks. Options are those of CoOp."""

    method = "CoOp-MT"
