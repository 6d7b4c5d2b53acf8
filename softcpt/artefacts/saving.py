"""Writes a trained method as an artefact, and reads it back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import torch

from softcpt.artefacts.artefact_files import ArtefactFiles, write_artefact
from softcpt.artefacts.kept_backbone import describe_backbone
from softcpt.artefacts.model_card import model_card
from softcpt.artefacts.record import Record
from softcpt.clip.model import Clip
from softcpt.clip.preprocessing import Preprocessing
from softcpt.errors import UserError
from softcpt.prompters import TaskClassifier, build_prompter
from softcpt.tasks import Task, TaskSet
from softcpt.utils.typed import read_mapping
from softcpt.version import __version__


def save(
    method: TaskClassifier, name: str, record: Record, preprocessing: Preprocessing, folder: Path
) -> Path:
    """See :meth:`softcpt.AdaptedClip.save`."""
    config: dict[str, Any] = {
        "softcpt": __version__,
        "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "method": name,
        "options": asdict(method.options),
        "backbone": describe_backbone(method.clip, folder),
        "preprocessing": _described(preprocessing),
        "tasks": [_task_to_dict(task) for task in method.tasks],
        **record.to_dict(),
    }
    header = {
        "method": name,
        "backbone": method.clip.name,
        "fingerprint": method.clip.fingerprint,
        "tasks": list(method.tasks.names),
        "classes": [list(task.class_names) for task in method.tasks],
        "options": config["options"],
        "epoch": record.curve[-1]["epoch"] if record.curve else 0,
        "val_result": None,
        "selected": record.selected,
    }
    return write_artefact(folder, config, method.reference_state(), header, model_card(config))


def rebuilt(files: ArtefactFiles, clip: Clip) -> tuple[TaskClassifier, Record, Preprocessing]:
    """The method of an artefact on its backbone, how it was trained, and its pre-processing.

    Raises:
        UserError: something in config.json, or a tensor, does not fit.
    """
    config, place = files.config, f"artefact {files.folder}"
    try:
        tasks = TaskSet([_task_of(task, place) for task in config["tasks"]])
        preprocessing = _preprocessing_of(config["preprocessing"], clip, place)
        with torch.random.fork_rng(devices=[]):  # starting values are drawn and overwritten
            method = build_prompter(config["method"], clip, tasks, **config["options"])
        method.load_reference_state(files.tensors)
        record = Record.from_dict(config, place)
    except UserError as error:
        text = str(error)
        raise UserError(text if text.startswith(place) else f"{place}: {text}") from error
    return method.eval(), record, preprocessing


def _task_to_dict(task: Task) -> dict[str, Any]:
    ordinal = {"values": list(task.values)} if task.values else {}
    return {
        "name": task.name,
        "classes": list(task.class_names),
        "template": task.template,
        "metric": task.metric,
        "description": task.description,
        **ordinal,
    }


def _task_of(written: Any, place: str) -> Task:
    if not isinstance(written, Mapping) or not isinstance(written.get("classes"), list):
        raise UserError(f"{place}: a task in config.json has no classes; save the artefact again")
    known = {field.name for field in fields(Task)}
    values = {key: value for key, value in written.items() if key in known}
    return read_mapping(Task, {**values, "class_names": written["classes"]}, f"{place}: a task")


def _described(preprocessing: Preprocessing) -> dict[str, Any]:
    found = asdict(preprocessing)
    found["resize"] = found.pop("resize_mode")
    return found


def _preprocessing_of(written: Mapping[str, Any], clip: Clip, place: str) -> Preprocessing:
    known = {field.name for field in fields(Preprocessing)}
    values = {key: value for key, value in written.items() if key in known}
    values["resize_mode"] = written.get("resize", "shortest")
    found = read_mapping(Preprocessing, values, f"{place}: preprocessing")
    if found.size != clip.image_size:
        raise UserError(
            f"{place}: its images are {found.size} pixels wide, and {clip.name} takes "
            f"{clip.image_size}; give the backbone that it was trained on"
        )
    return found
