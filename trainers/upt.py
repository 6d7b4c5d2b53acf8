"""UPT: prompts of both towers from one network (arXiv 2210.07225); softcpt/prompters/upt.py."""

from __future__ import annotations

from dassl.engine import TRAINER_REGISTRY

from softcpt.engine.trainer import PromptTrainer


@TRAINER_REGISTRY.register()
class UPT(PromptTrainer):
    """f = image(x; V'), w_c = text(T', name of c), [T', V'] = network(T, V); trained are T, V and
    the network."""

    method = "UPT"
