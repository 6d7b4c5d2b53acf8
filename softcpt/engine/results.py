"""``results.json``, one per run, and the table that a run ends with."""

from __future__ import annotations

import json
import logging
import platform
import resource
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from tabulate import tabulate

from softcpt import dassl
from softcpt.engine.predictions import PREDICTIONS_FILE
from softcpt.engine.settings import shared_of, shared_values
from softcpt.errors import UserError
from softcpt.prompters import TaskClassifier
from softcpt.task_results import TaskResult, intervals, overall
from softcpt.utils.files import write_json

_log = logging.getLogger(__name__)

SCHEMA = 1
RESULTS_FILE = "results.json"


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
        trained: whether the run trained its method, or else only tested it.
        loaded: the prompt that was loaded for the test, its file and epoch; None: what was trained
            last, or nothing is.
        source: the same of the prompt that training started from, with a hash; None: from scratch.
        parameters: trainable ones.
        seconds: wall time by section: image, text, other.
        peak_memory: bytes; of the GPU if one was used, else of the process.
        curve: per epoch its number and mean loss.
        selected: what was chosen on which images; None: nothing was.
        contexts: how alike the contexts of the tasks are (see :func:`context_gram`).
        predictions: the file beside it that holds what was predicted for every image; None: none.
        config: the whole configuration as yaml.
    """

    method: str
    dataset: str
    backbone: str
    architecture: str | None
    class_names: dict[str, list[str]]
    shared: dict[str, Any]
    results: dict[str, dict[str, list[TaskResult]]]
    trained: bool
    loaded: dict[str, Any] | None
    source: dict[str, Any] | None
    parameters: int
    seconds: dict[str, float]
    peak_memory: int
    curve: list[dict[str, float]]
    selected: dict[str, Any] | None
    contexts: dict[str, Any] | None
    predictions: str | None
    config: str

    @classmethod
    def of(cls, trainer: Any, trained: bool) -> Run:
        """The run of a :class:`softcpt.engine.trainer.PromptTrainer` that has been tested."""
        return cls(
            trainer.method,
            trainer.cfg.DATASET.NAME,
            trainer.clip.name,
            trainer.clip.architecture,
            {task.name: list(task.class_names) for task in trainer.tasks},
            shared_settings(trainer),
            {split: trainer.results[split] for split in trainer.splits},
            trained,
            trainer.loaded,
            trainer.source,
            sum(p.numel() for p in trainer.prompter.parameters()),
            trainer.watch.seconds(),
            peak_memory(trainer.device),
            trainer.curve,
            trainer.selected,
            context_gram(trainer.prompter),
            PREDICTIONS_FILE if trainer.writes_predictions else None,
            trainer.given_cfg.dump(),
        )

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
            **_figures(self.results[counted]),
            "other_splits": {split: _figures(self.results[split]) for split in others},
            "trained": self.trained,
            "loaded": self.loaded,
            "source": self.source,
            "selected": self.selected,
            "trainable_parameters": self.parameters,
            "seconds": {**self.seconds, "total": sum(self.seconds.values())},
            "peak_memory_bytes": self.peak_memory,
            "curve": self.curve,
            "contexts": self.contexts,
            "class_names": self.class_names,
            "predictions": self.predictions,
            "versions": versions(),
            "config": self.config,
        }


def _figures(results: dict[str, list[TaskResult]]) -> dict[str, Any]:
    """Of one split, for JSON."""
    return {
        "overall": {method: overall(tasks) | intervals(tasks) for method, tasks in results.items()},
        "tasks": {method: [task.to_dict() for task in tasks] for method, tasks in results.items()},
    }


def shared_settings(trainer: Any) -> dict[str, Any]:
    """What all runs of a fair comparison have in common (softcpt/engine/settings.py)."""
    split = trainer.splits[-1]
    found = {
        "tasks": list(trainer.tasks.names),
        "split": split,
        "train_images": trainer.images_digest(trainer.dataset.train_x),
        "test_images": trainer.images_digest(getattr(trainer.dataset, split)),
        "backbone": trainer.clip.name,
        "weights": trainer.clip.fingerprint,
        "precision": trainer.clip.precision,
        "device": device_name(trainer.device),
        "tf32": bool(torch.backends.cuda.matmul.allow_tf32),
        "cudnn_benchmark": bool(torch.backends.cudnn.benchmark),
    }
    return shared_values(trainer.cfg, found)


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


def write_results(run: Run, folder: str | Path) -> None:
    """Write results.json into ``folder`` and print the run beside others made under the same
    settings."""
    path, result = Path(folder) / RESULTS_FILE, run.to_dict()
    write_json(path, result)
    for split, figures in result["other_splits"].items():
        _log.info(f"\n{format_table([result | figures], f'task ({split}, metric in %)')}")
    shown = [*_comparable(run, path), result]
    _log.info("\n" + format_table(shown))
    for other in shown:
        if _only_tested(other):
            _log.info(
                f"{other['method']}: {other['loaded']['prompt']}, epoch {other['loaded']['epoch']}"
            )
    _log.info(f"\nResults written to {path}")


def refuse_overwriting(folder: str | Path) -> None:
    """A run that only tests must not write over what a training run reached.

    Raises:
        UserError: ``folder`` holds the results of a training run.
    """
    path = Path(folder) / RESULTS_FILE
    if path.is_file() and json.loads(path.read_text(encoding="utf-8")).get("trained"):
        raise UserError(
            f"{path}: the results of a training run, and --eval-only would write over them; choose "
            "another --output-dir"
        )


def _comparable(run: Run, path: Path) -> list[dict[str, Any]]:
    """Other methods' results in output folders of the same layout, made under the same shared
    settings."""
    try:
        root, config_name, seed = path.parents[3], path.parents[1].name, path.parent.name
    except IndexError:
        return []
    found = []
    for other in sorted(root.glob(f"*/{config_name}/{seed}/{RESULTS_FILE}")):
        result = json.loads(other.read_text(encoding="utf-8"))
        if (
            result.get("schema") == SCHEMA
            and shared_of(result) == run.shared
            and result["method"] != run.method
        ):
            found.append(result)
    return [result for result in found if result["method"] != "ZeroShot"]


def _only_tested(run: dict[str, Any]) -> bool:
    return bool(run.get("loaded")) and not run["trained"]


def format_table(runs: Sequence[dict[str, Any]], corner: str = "task (metric in %)") -> str:
    """Per-task metric of every method, then means, parameters, time and memory, as a plain table.

    Where a trained prompt was only tested, time and memory are left out: those of its training are
        not known.
    """
    columns: dict[str, list[dict[str, Any]]] = {}
    for run in runs:
        columns.update(run["tasks"])
    ordered = sorted(columns, key=lambda method: method != "ZeroShot")
    first = columns[ordered[0]]
    rows = [
        [
            task["name"],
            task["classes"],
            task["total"],
            *(f"{columns[method][index]['metric']:.2f}" for method in ordered),
        ]
        for index, task in enumerate(first)
    ]
    means = {method: values for run in runs for method, values in run["overall"].items()}
    by_method = {run["method"]: run for run in runs}
    whole = {method: run for method, run in by_method.items() if not _only_tested(run)}
    total = [sum(task[key] for task in first) for key in ("classes", "total")]
    rows += [
        [
            "MEAN OVER TASKS",
            *total,
            *(f"{means[method]['overall_metric']:.2f}" for method in ordered),
        ],
        ["macro-F1", "", "", *(f"{means[method]['macro_f1']:.2f}" for method in ordered)],
    ]
    counts = [
        f"{by_method[m]['trainable_parameters']:,}" if m in by_method else "" for m in ordered
    ]
    rows.append(["trainable parameters", "", "", *counts])
    facts: dict[str, Callable[[dict[str, Any]], str]] = {
        "seconds, total": lambda run: f"{run['seconds']['total']:.1f}",
        "  image tower": lambda run: f"{run['seconds'].get('image', 0):.1f}",
        "  text tower": lambda run: f"{run['seconds'].get('text', 0):.1f}",
        "  other": lambda run: f"{run['seconds']['other']:.1f}",
        "peak memory, MB": lambda run: f"{run['peak_memory_bytes'] / 1e6:.0f}",
    }
    for name, fact in facts.items() if whole else ():
        rows.append([name, "", "", *(fact(whole[m]) if m in whole else "" for m in ordered)])
    head = [corner, "classes", "images", *ordered]
    aligned = ["left"] + ["right"] * (len(head) - 1)
    text: str = tabulate(rows, head, disable_numparse=True, colalign=aligned)
    return text
