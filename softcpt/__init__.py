"""Multi-task prompt tuning for CLIP-like models: SoftCPT, CoOp and their kin on an exact
shared-prefix text engine.

clip = softcpt.load_clip("ViT-B/16") tasks = softcpt.TaskSet([softcpt.Task("flowers", ["rose",
"tulip"]), softcpt.Task("pets", ["cat", "dog"])]) prompter = softcpt.build_prompter("SoftCPT", clip,
tasks, n_ctx=16, task_n_ctx=4) loss = tasks.loss(prompter(images), labels)
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from softcpt.version import __version__

# Loaded when first used: `softcpt --help` and the command line's own errors must not wait for
# torch.
_PUBLIC = {
    "AdaptedClip": "artefacts.adapted",
    "Evaluation": "artefacts.evaluation",
    "Failed": "artefacts.prediction",
    "Prediction": "artefacts.prediction",
    "Record": "artefacts.record",
    "load_prompt": "artefacts.load_prompt",
    "push_to_hub": "artefacts.hub",
    "Clip": "clip.model",
    "load_clip": "clip.model",
    "Task": "tasks",
    "TaskSet": "tasks",
    "Prompter": "prompters",
    "build_prompter": "prompters",
    "list_prompters": "prompters",
    "few_shot_indices": "data.few_shot",
    "engine": "dassl",
    "UserError": "errors",
}
__all__ = [
    "AdaptedClip",
    "Clip",
    "Evaluation",
    "Failed",
    "Prediction",
    "Prompter",
    "Record",
    "Task",
    "TaskSet",
    "UserError",
    "__version__",
    "build_prompter",
    "engine",
    "few_shot_indices",
    "list_prompters",
    "load_clip",
    "load_prompt",
    "push_to_hub",
]

if TYPE_CHECKING:
    from softcpt.artefacts.adapted import AdaptedClip
    from softcpt.artefacts.evaluation import Evaluation
    from softcpt.artefacts.hub import push_to_hub
    from softcpt.artefacts.load_prompt import load_prompt
    from softcpt.artefacts.prediction import Failed, Prediction
    from softcpt.artefacts.record import Record
    from softcpt.clip.model import Clip, load_clip
    from softcpt.dassl import engine
    from softcpt.data.few_shot import few_shot_indices
    from softcpt.errors import UserError
    from softcpt.prompters import Prompter, build_prompter, list_prompters
    from softcpt.tasks import Task, TaskSet


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'softcpt' has no attribute '{name}'")
    return getattr(importlib.import_module(f"softcpt.{_PUBLIC[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_PUBLIC])
