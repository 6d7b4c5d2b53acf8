"""Reads ``results.json`` (docs/results.md), for all that need it: what is in it is of the kinds
that a run writes, or it is refused in one line."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from softcpt.errors import UserError
from softcpt.utils.kinds import Kind, is_kind, shown
from softcpt.utils.text_files import read_json

RESULTS_FILE = "results.json"
SCHEMA = 1  # the one that is written
SCHEMAS = (1,)  # that are read
_REMEDY = "restore it, or delete it and make the run again"
_NUMBER = (int, float)
# Of what is there; older versions wrote less.
_KINDS: dict[str, Kind] = {
    "method": str,
    "config": str,
    "shared": dict,
    "tasks": dict,
    "overall": dict,
    "versions": dict,
    "seconds": dict,
    "class_names": dict,
}
# What every run of this version writes and a grid needs.
_NEEDED = ("method", "config", "shared", "tasks", "overall", "versions", "seconds")


class ResultsError(UserError):
    """A results.json that cannot be read; ``reason`` is why, without the file and the remedy."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"results {path}: {reason}; {_REMEDY}")
        self.reason = reason


def read_results(path: Path) -> dict[str, Any]:
    """The content of a results.json.

    Raises:
        ResultsError: it is damaged, or of a version that is not known here.
        OSError: it cannot be read.
    """
    try:
        result = read_json(path, "results", _REMEDY)
    except UserError as error:
        reason = str(error).removeprefix(f"results {path}").removesuffix(f"; {_REMEDY}")
        raise ResultsError(path, f"not whole ({reason.strip(' :')})") from error
    _refuse_other(result, path)
    fault = _fault_of(result)
    if fault:
        raise ResultsError(path, f"not as docs/results.md describes it ({fault})")
    found: dict[str, Any] = result
    return found


def finished_results(path: Path) -> dict[str, Any] | None:
    """The same of a run that is done, with all that this version writes; None: there is none."""
    try:
        result = read_results(path)
    except (UserError, OSError):
        return None
    if result["schema"] != SCHEMA or not all(result.get(key) for key in _NEEDED):
        return None
    method, overall = result["method"], result["overall"]
    scored = method in result["tasks"] and is_kind(
        overall.get(method, {}).get("overall_metric"), _NUMBER
    )
    return result if scored and is_kind(result["seconds"].get("total"), _NUMBER) else None


def _refuse_other(result: Any, path: Path) -> None:
    if not isinstance(result, dict) or "schema" not in result:
        raise ResultsError(path, "not a results.json of this project (no key 'schema')")
    schema = result["schema"]
    if not is_kind(schema, int) or schema not in SCHEMAS:
        known = ", ".join(map(str, SCHEMAS))
        reason = f"schema {shown(schema)}; this version reads {known}, update softcpt"
        raise ResultsError(path, reason)


def _fault_of(result: dict[str, Any]) -> str:
    """Which value is of another kind than a run writes, in a few words; "": none."""
    for key, kind in _KINDS.items():
        if key in result and not is_kind(result[key], kind):
            return f"{key} is {shown(result[key])}"
    for task, names in result.get("class_names", {}).items():
        if names is not None and not is_kind(names, [str]):
            return f"class_names of {shown(task)} are {shown(names)}"
    for method, figures in result.get("overall", {}).items():
        if not isinstance(figures, dict):
            return f"overall of {shown(method)} is {shown(figures)}"
    for method, tasks in result.get("tasks", {}).items():
        if not isinstance(tasks, list) or not all(map(_is_task, tasks)):
            return f"tasks of {shown(method)} are no list of figures"
    return ""


def _is_task(task: Any) -> bool:
    """Whether it is one task's figures: a name, and a metric that may be missing."""
    if not isinstance(task, Mapping) or not isinstance(task.get("name"), str):
        return False
    metric = task.get("metric")
    # What a report lists as no number is no damage.
    return metric is None or is_kind(metric, _NUMBER) or _is_no_number(metric)


def _is_no_number(value: Any) -> bool:
    return isinstance(value, float) and not math.isfinite(value)
