"""Reading results.json (docs/results.md)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from softcpt.engine import results_file
from softcpt.engine.config_text import text_leaves
from softcpt.engine.settings import AXES, IMAGES, shared_of, variant_settings
from softcpt.errors import named_reason_of, reason_of
from softcpt.report.run_result import (
    METRICS,
    MORE_FIGURES,
    ZERO_SHOT,
    Contexts,
    Cost,
    Result,
    TestedTask,
)

# Data sets that may be anybody's images.
_READERS = ("ImageFolder", "CSV", "MultiTask")


class UnreadableError(Exception):
    """Why a file cannot stand in a report, in a few words."""


def read_results(path: Path) -> list[Result]:
    """The trained method of a results.json, and the zero-shot figures beside it.

    Raises:
        UnreadableError: the file is no whole results.json of a schema known here.
    """
    run = _load(path)
    try:
        shared = shared_of(run)
        settings = {key: value for key, value in shared.items() if key not in (*AXES, *IMAGES)}
        settings |= {
            f"versions.{name}": version for name, version in run.get("versions", {}).items()
        }
        common: dict[str, Any] = {
            "path": str(path),
            "verified": True,
            "dataset": _data_name(str(shared["dataset"]), run["tasks"][str(run["method"])]),
            "backbone": str(shared["backbone"]),
            "architecture": str(run.get("architecture") or ""),
            "classes": str(shared.get("classes", "all")),
            "shots": int(shared["shots"]),
            "seed": int(shared["seed"]),
            "settings": settings,
            "images": tuple(str(shared[key]) for key in IMAGES if key in shared),
        }
        return [_result(run, method, tasks, common) for method, tasks in run["tasks"].items()]
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        reason = named_reason_of(error)
        raise UnreadableError(f"not as docs/results.md describes it ({reason})") from error


def _data_name(dataset: str, tasks: Sequence[Mapping[str, Any]]) -> str:
    """The data set, or the tasks of one that is named for how it is read."""
    names = [str(task["name"]) for task in tasks]
    if dataset not in _READERS or not names:
        return dataset
    more = f" and {len(names) - 3} more" if len(names) > 4 else ""
    return ", ".join(names[:3] if more else names) + more


def _load(path: Path) -> dict[str, Any]:
    try:
        return results_file.read_results(path)
    except results_file.ResultsError as error:
        raise UnreadableError(error.reason) from error
    except OSError as error:
        raise UnreadableError(f"not whole ({reason_of(error)})") from error


def _result(
    run: Mapping[str, Any], method: str, tasks: list[Mapping[str, Any]], common: dict[str, Any]
) -> Result:
    figures = {str(task["name"]): _figures(task) for task in tasks}
    if not figures:
        raise ValueError(f"no task under {method}")
    class_names = run.get("class_names", {})
    common = common | {
        "tested": {
            str(task["name"]): _tested(task, class_names.get(task["name"], ()))
            for task in tasks
            if task.get("total") and "correct" in task
        }
    }
    if method != run["method"]:
        return Result(method=method, own=False, options={}, tasks=figures, **common)
    cost = Cost(
        run.get("trainable_parameters"), run.get("seconds") or {}, run.get("peak_memory_bytes")
    )
    options = {}
    if not method.startswith(ZERO_SHOT):
        options = variant_settings(text_leaves(run.get("config", "")), method)
    return Result(
        method=method,
        own=True,
        options=options,
        tasks=figures,
        cost=cost if run.get("trained", True) else None,
        contexts=_contexts(run),
        **common,
    )


def _figures(task: Mapping[str, Any]) -> dict[str, float]:
    """Of one task; files of older versions lack MORE_FIGURES."""
    figures = {key: _number(task[key]) for key in METRICS}
    return figures | {key: _number(task[key]) for key in MORE_FIGURES if key in task}


def _tested(task: Mapping[str, Any], class_names: Sequence[str]) -> TestedTask:
    per_class = task.get("per_class") or {"images": (), "correct": ()}
    confusion = task.get("confusion") or {"truth": (), "predicted": (), "images": ()}
    triples = zip(confusion["truth"], confusion["predicted"], confusion["images"], strict=True)
    return TestedTask(
        int(task["correct"]),
        int(task["total"]),
        tuple(map(str, class_names)),
        tuple(map(int, per_class["images"])),
        tuple(map(int, per_class["correct"])),
        tuple((int(truth), int(predicted), int(images)) for truth, predicted, images in triples),
    )


def _number(value: Any) -> float:
    """NaN where there is no figure."""
    return math.nan if value is None else float(value)


def _contexts(run: Mapping[str, Any]) -> Contexts | None:
    found = run.get("contexts")
    if not found:
        return None
    gram = tuple(tuple(float(value) for value in row) for row in found["gram"])
    if {len(gram)} != {len(row) for row in gram} | {len(found["tasks"])}:
        raise ValueError("contexts.gram is not tasks x tasks")
    return Contexts(tuple(map(str, found["tasks"])), gram)
