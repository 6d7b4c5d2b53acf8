"""The table that a run ends with: its figures beside other methods' under the same settings."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tabulate import tabulate

from softcpt.engine.results import Run
from softcpt.engine.results_file import RESULTS_FILE, SCHEMA, read_results
from softcpt.engine.settings import shared_of
from softcpt.errors import UserError
from softcpt.utils.files import write_json

_log = logging.getLogger(__name__)


def write_results(run: Run, folder: str | Path) -> None:
    """Write results.json into ``folder`` and print the run beside others made under the same
    settings."""
    path, result = Path(folder) / RESULTS_FILE, run.to_dict()
    write_json(path, result)
    for split, figures in result["other_splits"].items():
        _log.info(f"\n{format_table([result | figures], f'task ({split}, metric in %)')}")
    shown = [*_comparable(result, path), result]
    _log.info("\n" + format_table(shown))
    for other in shown:
        if _only_tested(other):
            _log.info(
                f"{other['method']}: {other['loaded']['prompt']}, epoch {other['loaded']['epoch']}"
            )
    _log.info(f"\nResults written to {path}")


def _comparable(own: dict[str, Any], path: Path) -> list[dict[str, Any]]:
    """Other methods' results in output folders of the same layout, made under the same shared
    settings."""
    try:
        root, config_name, seed = path.parents[3], path.parents[1].name, path.parent.name
    except IndexError:
        return []
    found = []
    for other in sorted(root.glob(f"*/{config_name}/{seed}/{RESULTS_FILE}")):
        if other.absolute() == path.absolute():
            continue
        try:
            result = read_results(other)
            if result.get("schema") != SCHEMA or shared_of(result) != own["shared"]:
                continue
            if result["method"] not in (own["method"], "ZeroShot"):
                format_table([result, own])  # it has all that the table takes from it
                found.append(result)
        except (UserError, OSError, ValueError, KeyError, TypeError, AttributeError, IndexError):
            # A neighbour's damage does not end a run that is done.
            _log.info(f"{other}: damaged, so it is left out of the table; make its run again")
    return found


def _error(task: dict[str, Any]) -> str:
    return f"{task['mae']:.4g}" if "mae" in task else ""


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
    rows += [
        [f"mean absolute error, {task['name']}", "", "", *map(_error, of_methods)]
        for task, *of_methods in zip(first, *(columns[method] for method in ordered))
        if "mae" in task
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
