"""Writes the prompt of an epoch, and finds and loads one: ours or a published code's."""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from softcpt import selection
from softcpt.artefacts import checkpoint
from softcpt.artefacts.published_checkpoints import is_reference, read_reference
from softcpt.errors import UserError, reason_of
from softcpt.prompters import TaskClassifier
from softcpt.prompters.contexts_from_names import load_trained, trained_tasks
from softcpt.utils import parallel

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LoadedPrompt:
    """What was loaded.

    Attributes:
        place: file or folder.
        epoch: that it was saved after, counted from 1.
        selected: what was chosen on which images for it; None: nothing (docs/results.md).
    """

    place: str
    epoch: int
    selected: dict[str, Any] | None

    def to_dict(self) -> dict[str, Any]:
        """As results.json has it."""
        return {"prompt": self.place, "epoch": self.epoch}


def save_prompt(
    path: Path,
    name: str,
    method: TaskClassifier,
    epoch: int,
    val_result: float | None,
    selected: dict[str, Any] | None,
) -> None:
    """Write what ``method`` learned as safetensors, in the first process.

    Args:
        path: of the file.
        name: the method's.
        method: that was trained.
        epoch: that is done, counted from 1.
        val_result: the figure that counts on validation images.
        selected: what was chosen on which images.
    """
    header = {
        "method": name,
        "backbone": method.clip.name,
        "fingerprint": method.clip.fingerprint,
        "tasks": list(method.tasks.names),
        "classes": [list(task.class_names) for task in method.tasks],
        "options": asdict(method.options),
        "epoch": epoch,
        "val_result": val_result,
        "selected": selected,
    }
    if parallel.is_main():
        checkpoint.save_tensors(path, method.reference_state(), header)
    parallel.broadcast_from_main(None)  # who loads it next finds it
    _log.info(f"saved {path}")


def load_prompt(method: TaskClassifier, directory: str, epoch: int | None) -> LoadedPrompt:
    """Load the prompt of ``epoch`` (1-based); None: the best on validation if there is one, else
    the last.

    It may have been trained on other tasks or classes, where its method can serve these
    (softcpt/prompters/task_matching.py). ``directory`` may also hold checkpoints that a published
    code wrote (softcpt/artefacts/published_checkpoints.py).

    Raises:
        UserError: there is no such prompt, it is of another method or backbone, or it has nothing
            for one of the tasks or classes.
    """
    if not directory:
        raise UserError("--eval-only: it needs --model-dir with the folder of a training run")
    if is_reference(directory):
        return _load_published(method, directory, epoch)
    path = checkpoint.find_prompt(directory, epoch)
    state, header = checkpoint.load_prompt(path)
    if header["fingerprint"] != method.clip.fingerprint:
        raise UserError(
            f"checkpoint {path}: trained on {header['backbone']}, and this is {method.clip.name} "
            "(or other weights of that name); use its config file and weights"
        )
    try:
        load_trained(method, state, header)
    except UserError as error:
        raise UserError(f"checkpoint {path}: {error}") from error
    # Tensors that do not belong together make torch raise any of these.
    except (RuntimeError, IndexError, KeyError, ValueError, TypeError) as error:
        raise UserError(
            f"checkpoint {path}: its tensors are not those of {header['method']} "
            f"({reason_of(error)}); train it again"
        ) from error
    trained = trained_tasks(header)
    _log.info(
        f"loaded {path} (epoch={header['epoch']}, val_result={header['val_result']}), trained "
        f"on {len(trained)} task(s), {trained.num_classes} classes"
    )
    return LoadedPrompt(str(path), header["epoch"], selection.of_prompt(header))


def _load_published(method: TaskClassifier, directory: str, epoch: int | None) -> LoadedPrompt:
    found = read_reference(directory, epoch)
    method.load_reference_state(found.tensors)
    _log.info(
        f"loaded {directory} (epoch={found.epoch}); its files do not say for which backbone and "
        "classes they are"
    )
    selected = selection.of_epoch(found.epoch) if found.best else None
    return LoadedPrompt(directory, found.epoch, selected)
