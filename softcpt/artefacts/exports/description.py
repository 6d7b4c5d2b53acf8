"""What every exported file says of itself, as text by name: safetensors and ONNX keep such
tables."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from softcpt.artefacts.exports import Source
from softcpt.clip.preprocessing import Preprocessing
from softcpt.version import __version__

FORMAT = "softcpt-classifier-1"


def description(source: Source) -> dict[str, str]:
    """The classes and tasks, the method, the backbone and its pre-processing; values other than
    plain text are JSON."""
    tasks, clip = source.method.tasks, source.clip
    return {
        "format": FORMAT,
        "tasks": _json({task.name: task.class_names for task in tasks}),
        "class_names": _json(tasks.class_names),
        "task_names": _json(tasks.names),
        "task_offsets": _json(tasks.offsets),
        "method": type(source.method).__name__,
        "backbone": clip.name,
        "backbone_fingerprint": clip.fingerprint,
        "preprocess": _json(described(source.preprocessing)),
        "softcpt_version": __version__,
    }


def described(preprocessing: Preprocessing) -> dict[str, Any]:
    """How a PIL image becomes the backbone's input, under the names of open_clip's
    ``PreprocessCfg``."""
    return {**asdict(preprocessing), "mode": "RGB"}


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
