"""SoftCPT: contexts generated from task names, for all tasks at once (arXiv 2208.13474);
softcpt/prompters/softcpt.py."""

from __future__ import annotations

from dassl.engine import TRAINER_REGISTRY

from softcpt.engine.extension import Extension, TrainerAlias
from softcpt.engine.trainer import PromptTrainer

# The published code's names; its keys are the aliases of the methods' options. Its MTCoOpHard is
# CoOp for several tasks, which share one context without TSC.
EXTENSION = Extension(
    trainer_aliases={
        "MTCoOp": TrainerAlias("SoftCPT"),
        "MTCoOpHard": TrainerAlias("CoOp", {"TRAINER.COOP.PER_TASK": False}),
    },
    node_aliases={"MTCOOP": "SOFTCPT", "MTCOOPH": "COOP"},
    keys_without_effect=("TRAINER.MTCOOP.PG_RATIO",),
    fixed_keys={
        "TRAINER.MTCOOP.FREEZE_CLS_PROMPT": (0, "the context of class features is always trained"),
    },
)


@TRAINER_REGISTRY.register()
class SoftCPT(PromptTrainer):
    """w_c = text(S_t, name of c) with S_t = W text(U, name of task t); trained are U and W."""

    method = "SoftCPT"
