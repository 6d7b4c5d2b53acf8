"""results.json files and logs as runs would leave them, without running anything.

`python tests/helpers/synthetic_results.py FOLDER [RUNS]` writes that many (default 1000), to look
at and to measure.
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np

SHARED = {
    "split": "test",
    "backbone": "RN50",
    "weights": "00ff",
    "precision": "fp16",
    "device": "NVIDIA A100",
    "transforms": ["random_flip"],
    "crop_scale": [0.08, 1.0],
    "features": "bank",
    "views": 0,
    "tf32": False,
    "cudnn_benchmark": True,
}
CONFIG = """OPTIM:
  LR: {lr}
  MAX_EPOCH: 50
OUTPUT_DIR: {path}
SEED: {seed}
TRAINER:
  NAME: {method}
  {node}:
    N_CTX: {n_ctx}
"""


def task(name: str, value: float, **more: float) -> dict[str, Any]:
    """One task's figures, all of them ``value`` unless given."""
    figures = {"accuracy": value, "mean_per_class": value, "macro_f1": value, "metric": value}
    return {
        "name": name,
        "classes": 10,
        "total": 100,
        "correct": round(value) if not math.isnan(value) else 0,
        **figures,
        **more,
    }


def with_more_figures(run: dict[str, Any]) -> dict[str, Any]:
    """``run`` with the figures that files of older versions lack; returns it.

    Top-5 lies ten above each task's accuracy, ECE is a tenth of it. Of ten classes with ten images
    each the first ones are all right, then one in part, the others all wrong: taken for the first.
    """
    run["architecture"], run["predictions"] = run["backbone"], "predictions.npz"
    run["class_names"] = {}
    for mine in run["tasks"].values():
        for each in mine:
            run["class_names"][each["name"]] = [f"class {number}" for number in range(10)]
            correct = [min(10, max(0, each["correct"] - 10 * number)) for number in range(10)]
            wrong = [number for number in range(1, 10) if correct[number] < 10]
            each |= {
                "top5": min(100.0, each["accuracy"] + 10),
                "chance": 10.0,
                "ece": each["accuracy"] / 10,
                "accuracy_ci95": [0.0, 100.0],
                "per_class": {"images": [10] * 10, "correct": correct},
                "confusion": {
                    "truth": wrong,
                    "predicted": [0] * len(wrong),
                    "images": [10 - correct[number] for number in wrong],
                },
            }
    return run


def run_of(
    method: str = "CoOp",
    shots: int = 1,
    seed: int = 1,
    tasks: dict[str, float] | None = None,
    *,
    dataset: str = "Toy",
    classes: str = "all",
    zero_shot: dict[str, float] | None = None,
    shared: dict[str, Any] | None = None,
    n_ctx: int = 16,
    lr: float = 0.002,
    seconds: float = 60.0,
    **more: Any,
) -> dict[str, Any]:
    """A results.json of ``tasks`` (name -> percent), as docs/results.md describes it."""
    tasks = {"a": 50.0, "b": 70.0} if tasks is None else tasks
    figures = {method: [task(name, value) for name, value in tasks.items()]}
    if zero_shot is not None:
        figures = {"ZeroShot": [task(name, value) for name, value in zero_shot.items()], **figures}
    axes = {
        "dataset": dataset,
        "tasks": list(tasks),
        "shots": shots,
        "seed": seed,
        "classes": classes,
    }
    settings = {**axes, **SHARED, **(shared or {})}
    return {
        "schema": 1,
        "method": method,
        "dataset": dataset,
        "backbone": settings["backbone"],
        "shared": settings,
        "overall": {
            name: {"overall_metric": float(np.mean([t["metric"] for t in mine]))}
            for name, mine in figures.items()
        },
        "tasks": figures,
        "trainable_parameters": 8192,
        "seconds": {"image": 5.0, "text": seconds - 10, "other": 5.0, "total": seconds},
        "peak_memory_bytes": 10**9,
        "curve": [{"epoch": 1, "loss": 2.0}, {"epoch": 2, "loss": 1.5}],
        "versions": {"python": "3.11", "torch": "2.9"},
        "config": CONFIG.format(
            lr=lr,
            path="/out",
            seed=seed,
            method=method,
            node=method.split("-")[0].upper(),
            n_ctx=n_ctx,
        ),
        **more,
    }


def write(folder: Path, *runs: dict[str, Any]) -> Path:
    """Write runs into folders of their own below ``folder``; returns it."""
    for number, result in enumerate(runs):
        path = folder / f"run{number:04}" / "results.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(result, indent=2))
    return folder


METHODS = {
    "LinearProbe": -6.0,
    "CoOp": 0.0,
    "CoOp-MT": -1.0,
    "KgCoOp": 0.5,
    "ProGrad": 0.8,
    "PLOT": 1.2,
    "SoftCPT": 2.0,
    "SoftCPT-NATS": 1.7,
}
BENCHMARKS = {"General10": 10, "Plant6": 6, "RS8": 8, "Fashion20": 20, "Emoji44": 44}
SHOTS = (1, 2, 4, 8, 16)
NAMES = [
    "worried faces",
    "cat faces",
    "hearts",
    "people",
    "mammals",
    "birds",
    "flowers",
    "plants",
    "fruits",
    "drinks",
]


def gram(generator: np.random.Generator, tasks: int) -> list[list[float]]:
    """Inner products of contexts in which neighbouring tasks are alike."""
    groups = generator.normal(size=(1 + tasks // 5, 64))
    contexts = 3 + groups[np.arange(tasks) % len(groups)] + 0.7 * generator.normal(size=(tasks, 64))
    return (contexts @ contexts.T).tolist()


def many(folder: Path, count: int) -> None:
    """``count`` runs: 8 methods x 5 benchmarks x 5 shots x seeds, with gains of the size that
    papers report."""
    generator = np.random.default_rng(0)
    places = [
        (method, name, shots, seed)
        for seed in range(1, 2 + count // 200)
        for name in BENCHMARKS
        for shots in SHOTS
        for method in METHODS
    ][:count]
    base = {name: generator.uniform(30, 70, tasks) for name, tasks in BENCHMARKS.items()}
    gain = {
        (name, method): generator.normal(METHODS[method], 2, BENCHMARKS[name])
        for name in BENCHMARKS
        for method in METHODS
    }
    for method, name, shots, seed in places:
        names = [f"{NAMES[i % 10]} {1 + i // 10}" for i in range(BENCHMARKS[name])]
        luck = np.random.default_rng([seed, shots]).normal(0, 1.2, len(names))
        climb = (4.5 if method != "LinearProbe" else 7.5) * np.log2(2 * shots)
        values = np.clip(
            base[name]
            + climb
            + gain[name, method]
            + luck
            + generator.normal(0, 0.8, len(names))
            - 3,
            0,
            99,
        )
        result = run_of(
            method,
            shots,
            seed,
            dict(zip(names, values.round(2).tolist())),
            dataset=name,
            zero_shot=dict(zip(names, base[name].round(2).tolist())),
            seconds=20 + 9 * shots + 10 * abs(METHODS[method]),
        )
        result["peak_memory_bytes"] = int(
            1e9 + 2e8 * abs(METHODS[method]) + 1e6 * generator.integers(100)
        )
        if method.startswith("SoftCPT"):
            result["contexts"] = {
                "tasks": names,
                "gram": gram(np.random.default_rng(seed), len(names)),
            }
        path = folder / name / method / f"rn50_ep50_{shots}shots" / f"seed{seed}" / "results.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(with_more_figures(result), indent=2))


if __name__ == "__main__":
    many(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1000)
