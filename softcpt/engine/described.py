"""What every log begins with: the device, the weights, and the classes in their prompts."""

from __future__ import annotations

from collections.abc import Iterator

from softcpt.clip.model import Clip
from softcpt.engine.results import device_name
from softcpt.tasks import Task, TaskSet

_TASKS = 4  # that are shown
_CLASSES = 3  # of each of them


def described(clip: Clip, tasks: TaskSet) -> Iterator[str]:
    """The lines: device, backbone with a hash of its weights, templates, and the first prompts as
    zero-shot CLIP reads them."""
    yield f"device: {device_name(clip.device)}"
    yield f"backbone: {clip.name}, weights {clip.fingerprint[:12]}"
    templates = list(dict.fromkeys(task.template for task in tasks))
    more = f" and {len(templates) - _TASKS} more" if len(templates) > _TASKS else ""
    yield f"templates: {', '.join(map(repr, templates[:_TASKS]))}{more}"
    for task in list(tasks)[:_TASKS]:
        yield f"task '{task.name}', {len(task.class_names)} classes: {_prompts(task)}"
    if len(tasks) > _TASKS:
        yield f"and {len(tasks) - _TASKS} more tasks, {tasks.num_classes:,} classes in all"


def _prompts(task: Task) -> str:
    shown = [repr(task.prompt(name)) for name in task.class_names[:_CLASSES]]
    return ", ".join(shown) + (", ..." if len(task.class_names) > _CLASSES else "")
