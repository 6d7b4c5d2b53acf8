"""TaskRes: a free residual beside every class embedding (arXiv 2211.10277);
softcpt/prompters/heads/task_res.py."""

from __future__ import annotations

from dassl.engine import TRAINER_REGISTRY

from softcpt.engine.fit_trainer import FitTrainer


@TRAINER_REGISTRY.register()
class TaskRes(FitTrainer):
    """w_c = t_c + 0.5 x_c."""

    method = "TaskRes"
