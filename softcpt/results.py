"""``results.json``, one per run, and the table that a run ends with."""

from __future__ import annotations

import json
import platform
import resource
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from tabulate import tabulate

from softcpt import dassl
from softcpt.files import write_json
from softcpt.metrics import TaskResult, overall

SCHEMA = 1
RESULTS_FILE = "results.json"


@dataclass(frozen=True)
class Run:
    """What one run reached, and under which settings.

    Attributes:
        method, dataset, backbone: names.
        shared: the settings that runs must have in common to be compared (see :func:`shared_settings`).
        results: per method name ("ZeroShot" and the trained one) the figures of every task.
        parameters: trainable ones.
        seconds: wall time by section: image, text, other.
        peak_memory: bytes; of the GPU if one was used, else of the process.
        curve: per epoch its number and mean loss.
        config: the whole configuration as yaml.
    """

    method: str
    dataset: str
    backbone: str
    shared: dict[str, Any]
    results: dict[str, list[TaskResult]]
    parameters: int
    seconds: dict[str, float]
    peak_memory: int
    curve: list[dict[str, float]]
    config: str

    @classmethod
    def of(cls, trainer: Any) -> Run:
        """The run of a :class:`softcpt.trainer.PromptTrainer` that has been tested."""
        return cls(trainer.method, trainer.cfg.DATASET.NAME, trainer.clip.name, shared_settings(trainer), trainer.results,
                   sum(p.numel() for p in trainer.prompter.parameters()), trainer.watch.seconds(),
                   peak_memory(trainer.device), trainer.curve, trainer.cfg.dump())

    def to_dict(self) -> dict[str, Any]:
        """For JSON; the schema is described in docs/results.md."""
        return {
            "schema": SCHEMA,
            "method": self.method,
            "dataset": self.dataset,
            "backbone": self.backbone,
            "shared": self.shared,
            "overall": {method: overall(results) for method, results in self.results.items()},
            "tasks": {method: [r.to_dict() for r in results] for method, results in self.results.items()},
            "trainable_parameters": self.parameters,
            "seconds": {**self.seconds, "total": sum(self.seconds.values())},
            "peak_memory_bytes": self.peak_memory,
            "curve": self.curve,
            "versions": versions(),
            "config": self.config,
        }


def shared_settings(trainer: Any) -> dict[str, Any]:
    """What all runs of a fair comparison have in common; learning rates and method options are a method's own."""
    cfg = trainer.cfg
    return {
        "dataset": cfg.DATASET.NAME,
        "tasks": list(trainer.tasks.names),
        "shots": cfg.DATASET.NUM_SHOTS,
        "seed": cfg.SEED,
        "classes": cfg.DATASET.SUBSAMPLE_CLASSES,
        "split": cfg.TEST.SPLIT,
        "backbone": trainer.clip.name,
        "weights": trainer.clip.fingerprint,
        "precision": trainer.clip.precision,
        "device": device_name(trainer.device),
        "transforms": [str(name) for name in cfg.INPUT.TRANSFORMS],
        "crop_scale": list(cfg.INPUT.RRCROP_SCALE),
        "features": cfg.FEATURES.MODE,
        "views": cfg.FEATURES.VIEWS,
        "tf32": bool(torch.backends.cuda.matmul.allow_tf32),
        "cudnn_benchmark": bool(torch.backends.cudnn.benchmark),
    }


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
    """Write results.json into ``folder`` and print the run beside others made under the same settings."""
    path = Path(folder) / RESULTS_FILE
    write_json(path, run.to_dict())
    print("\n" + format_table([*_comparable(run, path), run.to_dict()]))
    print(f"\nResults written to {path}")


def _comparable(run: Run, path: Path) -> list[dict[str, Any]]:
    """Other methods' results in output folders of the same layout, made under the same shared settings."""
    try:
        root, config_name, seed = path.parents[3], path.parents[1].name, path.parent.name
    except IndexError:
        return []
    found = []
    for other in sorted(root.glob(f"*/{config_name}/{seed}/{RESULTS_FILE}")):
        result = json.loads(other.read_text(encoding="utf-8"))
        if result.get("schema") == SCHEMA and result["shared"] == run.shared and result["method"] != run.method:
            found.append(result)
    return [result for result in found if result["method"] != "ZeroShot"]


def format_table(runs: Sequence[dict[str, Any]]) -> str:
    """Per-task metric of every method, then means, parameters, time and memory, as a plain table."""
    columns: dict[str, list[dict[str, Any]]] = {}
    for run in runs:
        columns.update(run["tasks"])
    ordered = sorted(columns, key=lambda method: method != "ZeroShot")
    first = columns[ordered[0]]
    rows = [
        [task["name"], task["classes"], task["total"], *(f"{columns[method][index]['metric']:.2f}" for method in ordered)]
        for index, task in enumerate(first)
    ]
    means = {method: values for run in runs for method, values in run["overall"].items()}
    by_method = {run["method"]: run for run in runs}
    total = [sum(task[key] for task in first) for key in ("classes", "total")]
    rows += [
        ["MEAN OVER TASKS", *total, *(f"{means[method]['overall_metric']:.2f}" for method in ordered)],
        ["macro-F1", "", "", *(f"{means[method]['macro_f1']:.2f}" for method in ordered)],
    ]
    facts = {
        "trainable parameters": lambda run: f"{run['trainable_parameters']:,}",
        "seconds, total": lambda run: f"{run['seconds']['total']:.1f}",
        "  image tower": lambda run: f"{run['seconds'].get('image', 0):.1f}",
        "  text tower": lambda run: f"{run['seconds'].get('text', 0):.1f}",
        "  other": lambda run: f"{run['seconds']['other']:.1f}",
        "peak memory, MB": lambda run: f"{run['peak_memory_bytes'] / 1e6:.0f}",
    }
    for name, fact in facts.items():
        rows.append([name, "", "", *(fact(by_method[m]) if m in by_method else "" for m in ordered)])
    head = ["task (metric in %)", "classes", "images", *ordered]
    return tabulate(rows, head, disable_numparse=True, colalign=("left",) + ("right",) * (len(head) - 1))
