"""SoftCPT: contexts generated from task names, for all tasks at once (arXiv 2208.13474);
softcpt/prompters/softcpt.py."""

from __future__ import annotations

from dassl.engine import TRAINER_REGISTRY

from softcpt.engine.extension import Extension
from softcpt.engine.trainer import PromptTrainer

# The names of the published code's nodes; its keys are the aliases of the methods' options.
EXTENSION = Extension(
    node_aliases={"MTCOOP": "SOFTCPT", "MTCOOPH": "COOP"},
    keys_without_effect=("TRAINER.MTCOOP.PG_RATIO",),
)


@TRAINER_REGISTRY.register()
class SoftCPT(PromptTrainer):
    """w_c = text(S_t, name of c) with S_t = W text(U, name of task t); trained are U and W."""

    method = "SoftCPT"
