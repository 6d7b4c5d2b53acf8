"""Multi-task few-shot adaptation of CLIP-like models: SoftCPT, CoOp, MVLPT and their kin on an
exact shared-prefix text engine, and heads on cached features.

    clip = softcpt.load_clip("ViT-B/16")
    data = softcpt.load_data(["my_flowers", "my_pets"], shots=4)
    fitted = softcpt.fit("SoftCPT", clip, data)
    fitted.evaluate(data.test)
    fitted.predict("rose.jpg", task="my_flowers", top=5)
    fitted.save("my_prompt")
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from softcpt.version import __version__

# Module -> names. Loaded when first used: `softcpt --help` and the command line's own errors must
# not wait for torch.
_PUBLIC = {
    "clip.model": ("Clip", "load_clip"),
    "tasks": ("Task", "TaskSet"),
    "data.task_data": ("TaskData", "load_data"),
    "data.labelled_image": ("Images", "LabelledImage"),
    "features.feature_data": ("FeatureData",),
    "data.few_shot": ("few_shot_indices",),
    "prompters": (
        "FeatureClassifier",
        "Prompter",
        "TaskClassifier",
        "build_method",
        "build_prompter",
        "list_methods",
        "list_prompters",
    ),
    "engine.registration": ("register_method",),
    "engine.fit": ("EpochEnd", "fit"),
    "artefacts.adapted": ("AdaptedClip",),
    "artefacts.evaluation": ("Evaluation",),
    "artefacts.prediction": ("Failed", "Prediction"),
    "artefacts.record": ("Record",),
    "artefacts.load_prompt": ("load_prompt",),
    "artefacts.hub": ("push_to_hub",),
    "dassl": ("engine",),
    "errors": ("UserError",),
}
_MODULE_OF = {name: module for module, names in _PUBLIC.items() for name in names}
__all__ = [
    "AdaptedClip",
    "Clip",
    "EpochEnd",
    "Evaluation",
    "Failed",
    "FeatureClassifier",
    "FeatureData",
    "Images",
    "LabelledImage",
    "Prediction",
    "Prompter",
    "Record",
    "Task",
    "TaskClassifier",
    "TaskData",
    "TaskSet",
    "UserError",
    "__version__",
    "build_method",
    "build_prompter",
    "engine",
    "few_shot_indices",
    "fit",
    "list_methods",
    "list_prompters",
    "load_clip",
    "load_data",
    "load_prompt",
    "push_to_hub",
    "register_method",
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
    from softcpt.data.labelled_image import Images, LabelledImage
    from softcpt.data.task_data import TaskData, load_data
    from softcpt.engine.fit import EpochEnd, fit
    from softcpt.engine.registration import register_method
    from softcpt.errors import UserError
    from softcpt.features.feature_data import FeatureData
    from softcpt.prompters import (
        FeatureClassifier,
        Prompter,
        TaskClassifier,
        build_method,
        build_prompter,
        list_methods,
        list_prompters,
    )
    from softcpt.tasks import Task, TaskSet


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'softcpt' has no attribute '{name}'")
    return getattr(importlib.import_module(f"softcpt.{_MODULE_OF[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_MODULE_OF])
