"""``results.json``, one per run: what it reached, and under which settings."""

from __future__ import annotations

import platform
import resource
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from yacs.config import CfgNode

from softcpt import dassl
from softcpt.clip.model import Clip
from softcpt.engine.early_stop import EarlyStop
from softcpt.engine.learner import Learner
from softcpt.engine.measuring import Tested
from softcpt.engine.results_file import RESULTS_FILE, SCHEMA, read_results
from softcpt.engine.run_inputs import RunData
from softcpt.engine.settings import shared_values
from softcpt.engine.steps import epochs_given
from softcpt.errors import UserError
from softcpt.prompters import TaskClassifier
from softcpt.task_results import TaskResult, intervals, overall
from softcpt.utils.tf32 import tf32_rounds


@dataclass(frozen=True)
class Origin:
    """Where the prompt of a run is from.

    Attributes:
        trained: whether the run trained its method, or else only tested it.
        loaded: the prompt that was loaded for the test, its file and epoch; None: what was trained
            last, or nothing is.
        source: the same of the prompt that training started from, with a hash; None: from scratch.
        selected: what was chosen on which images; None: nothing was.
    """

    trained: bool
    loaded: dict[str, Any] | None
    source: dict[str, Any] | None
    selected: dict[str, Any] | None


@dataclass(frozen=True)
class Run:
    """What one run reached, and under which settings.

    Attributes:
        method, dataset, backbone: names.
        architecture: OpenAI's name of the backbone's architecture; None: it has another.
        class_names: by task.
        shared: the settings that runs must have in common to be compared (see
            :func:`shared_settings`).
        results: per split, the one that counts last, and per method name ("ZeroShot" and the run's
            own) the figures of every task.
        origin: where its prompt is from.
        parameters: trainable ones.
        seconds: wall time by section: image, text, other.
        peak_memory: bytes; of the GPU if one was used, else of the process.
        curve: per epoch its number and mean loss.
        balance: how tasks counted in the loss, and their weights at the end; None: by their images.
        early_stop: by which rule training could end before its last epoch, and when it did; None:
            by none.
        contexts: how alike the contexts of the tasks are (see :func:`context_gram`).
        predictions: the file beside it that holds what was predicted for every image; None: none.
        config: the whole configuration as yaml.
        affinities: what each task's gradient did to the others' losses, as
            :meth:`softcpt.engine.lookahead.Lookahead.result` gives it; None: it was not measured.
    """

    method: str
    dataset: str
    backbone: str
    architecture: str | None
    class_names: dict[str, list[str]]
    shared: dict[str, Any]
    results: dict[str, dict[str, list[TaskResult]]]
    origin: Origin
    parameters: int
    seconds: dict[str, float]
    peak_memory: int
    curve: list[dict[str, float]]
    balance: dict[str, Any] | None
    early_stop: dict[str, Any] | None
    contexts: dict[str, Any] | None
    predictions: str | None
    config: str
    affinities: dict[str, Any] | None = None

    def to_dict(self) -> dict[str, Any]:
        """For JSON; the schema is described in docs/results.md."""
        *others, counted = self.results
        return {
            "schema": SCHEMA,
            "method": self.method,
            "dataset": self.dataset,
            "backbone": self.backbone,
            "architecture": self.architecture,
            "shared": self.shared,
            **figures(self.results[counted]),
            "other_splits": {split: figures(self.results[split]) for split in others},
            **asdict(self.origin),
            "trainable_parameters": self.parameters,
            "seconds": {**self.seconds, "total": sum(self.seconds.values())},
            "peak_memory_bytes": self.peak_memory,
            "curve": self.curve,
            "balance": self.balance,
            "early_stop": self.early_stop,
            "contexts": self.contexts,
            **({} if self.affinities is None else {"affinities": self.affinities}),
            "class_names": self.class_names,
            "predictions": self.predictions,
            "versions": versions(),
            "config": self.config,
        }


def figures(results: Mapping[str, Sequence[TaskResult]]) -> dict[str, Any]:
    """Those of one split, by method, for JSON."""
    return {
        "overall": {method: overall(tasks) | intervals(tasks) for method, tasks in results.items()},
        "tasks": {method: [task.to_dict() for task in tasks] for method, tasks in results.items()},
    }


def recorded(
    method: str,
    cfg: CfgNode,
    data: RunData,
    learner: Learner,
    tested: Mapping[str, Mapping[str, Tested]],
    origin: Origin,
    predictions: str | None,
    early_stop: EarlyStop | None = None,
) -> Run:
    """What a run that has been tested reached.

    Args:
        method: by its variant's name.
        cfg: the settings as they were given.
        data: tasks and images.
        learner: that trained or tested.
        tested: by split and method what was reached.
        origin: where the prompt is from.
        predictions: the file of every image's prediction; None: none.
        early_stop: the rule of its training.
    """
    balance = learner.balance if origin.trained else None
    clip = learner.method.clip
    return Run(
        method,
        cfg.DATASET.NAME,
        clip.name,
        clip.architecture,
        {task.name: list(task.class_names) for task in data.tasks},
        shared_settings(data, clip),
        {
            split: {name: found.results for name, found in tested[split].items()}
            for split in data.splits
            if split in tested
        },
        origin,
        sum(p.numel() for p in learner.method.parameters()),
        learner.watch.seconds(),
        peak_memory(clip.device),
        learner.curve,
        None if balance is None else balance.described(),
        None if early_stop is None else early_stop.described(),
        context_gram(learner.method),
        predictions,
        cfg.dump(),
        learner.lookahead.result() if origin.trained and learner.lookahead else None,
    )


def shared_settings(data: RunData, clip: Clip) -> dict[str, Any]:
    """What all runs of a fair comparison have in common (softcpt/engine/settings.py)."""
    split = data.splits[-1]
    found = {
        "tasks": list(data.tasks.names),
        "split": split,
        "train_images": data.digest(data.items["train"]),
        "test_images": data.digest(data.items[split]),
        "epochs": epochs_given(data.maker.cfg),
        **machine_facts(clip),
    }
    return shared_values(data.maker.cfg, found)


def machine_facts(clip: Clip) -> dict[str, Any]:
    """By the names of results.json: model, weights, precision and what computes."""
    return {
        "backbone": clip.name,
        "weights": clip.fingerprint,
        "precision": clip.precision,
        "device": device_name(clip.device),
        "tf32": tf32_rounds(clip.device),
        "cudnn_benchmark": bool(torch.backends.cudnn.benchmark),
    }


@torch.no_grad()
def context_gram(prompter: TaskClassifier) -> dict[str, Any] | None:
    """Inner products (T, T) of the tasks' contexts, each flattened, and the tasks' names.

    A task whose classes have contexts of their own counts with their mean. None: the method has no
    contexts, one for all tasks, or there are fewer than three tasks to relate.
    """
    tasks = prompter.tasks
    found = prompter.contexts() if len(tasks) >= 3 else None
    if found is None:
        return None
    contexts = found.movedim(-3, 0).flatten(1).double().cpu()
    if len(contexts) != len(tasks):
        contexts = tasks.mean_of_classes(contexts)
    if (contexts == contexts[0]).all():
        return None
    return {"tasks": list(tasks.names), "gram": (contexts @ contexts.t()).tolist()}


def versions() -> dict[str, str]:
    """Versions of what numbers depend on."""
    names = ("torch", "torchvision", "open_clip_torch", "timm", "numpy", "pillow")
    found = {name: metadata.version(name) for name in names}
    return {"python": platform.python_version(), "engine": dassl.engine(), **found}


def device_name(device: torch.device) -> str:
    """The GPU's name, or "cpu"."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def peak_memory(device: torch.device) -> int:
    """Most bytes in use so far: on the GPU, else resident in this process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def refuse_overwriting(folder: str | Path) -> None:
    """A run that only tests must not write over what a training run reached.

    Raises:
        UserError: ``folder`` holds the results of a training run.
    """
    path = Path(folder) / RESULTS_FILE
    if path.is_file() and read_results(path).get("trained"):
        raise UserError(
            f"{path}: the results of a training run, and --eval-only would write over them; choose "
            "another --output-dir"
        )
