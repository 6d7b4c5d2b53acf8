"""Reading log.txt of CoOp-family runs (Dassl's Classification, SoftCPT's ClassificationMT), in any
folder layout.

The rules are those of the field's parse_test_res.py: figures count behind the line that ends
training, or, in a log of a test alone, behind "=> result"; of several the last counts. Unlike
there, lines of tasks obey the same rule.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from softcpt.engine.config_text import text_leaves
from softcpt.engine.settings import setting_of, variant_settings
from softcpt.report.results_json import UnreadableError
from softcpt.report.run_result import ZERO_SHOT, Cost, Result

_END_OF_TRAINING = {"Finish training", "Finished training"}  # Dassl 0.6; SoftCPT's fork
_RESULT = "=> result"
_FIGURE = re.compile(r"\* (accuracy|overall_metric|macro_f1): ([\d.eE+-]+|nan)%")
_TASK = re.compile(r"\* task: (\d+) \((.*)\)\s+total: [\d,]+\s+metric: ([\d.eE+-]+|nan)%")
_EPOCH = re.compile(r"epoch \[\d+/\d+\]")
_ELAPSED = re.compile(r"(?:Elapsed: |took )(?:(\d+) days?, )?(\d+):(\d\d):(\d\d)")
# What the folders say where the log does not: CoOp's, CoCoOp's and SoftCPT's layouts.
_SEED = re.compile(r"seed_?(\d+)$")
_SHOTS = re.compile(r"(?:^|_)(\d+)[-_]?shots?$|^shots?_(\d+)")
_CLASSES = {
    "base": "base",
    "train_base": "base",
    "test_base": "base",
    "new": "new",
    "test_new": "new",
}


def read_log(path: Path) -> Result:
    """The result at the end of a log.

    Raises:
        UnreadableError: the log has no result, ends before one, or does not say which method and
            data set it is of.
    """
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    config, arguments = _blocks(lines)
    figures, tasks, cost = _figures(lines)
    folders = path.parent.parts
    method, dataset = _method(config, arguments), config.get("DATASET.NAME", "")
    if not method or not dataset:
        raise UnreadableError(
            "the log does not name its trainer and data set (no configuration is printed in it)"
        )
    return Result(
        path=str(path),
        verified=False,
        own=True,
        method=method,
        dataset=dataset,
        backbone=config.get("MODEL.BACKBONE.NAME", "") or "unknown",
        classes=config.get("DATASET.SUBSAMPLE_CLASSES") or _folder_classes(folders),
        shots=_number(config.get("DATASET.NUM_SHOTS"), 1, _SHOTS, folders),
        seed=_number(config.get("SEED"), 0, _SEED, folders),
        settings={key: value for key, value in config.items() if setting_of(key).logged},
        options={} if method.startswith(ZERO_SHOT) else variant_settings(config, method),
        tasks=tasks,
        overall=figures,
        cost=cost,
    )


def _figures(lines: Iterable[str]) -> tuple[dict[str, float], dict[str, dict[str, float]], Cost]:
    """Figures over all images, figures by task, and cost, of the last evaluation that counts."""
    figures: dict[str, float] = {}
    tasks: dict[str, dict[str, float]] = {}
    counts, seconds = True, {}
    for line in map(str.strip, lines):
        if _EPOCH.match(line):
            counts = False
        elif line in _END_OF_TRAINING:
            counts = True
        elif line == _RESULT:
            figures, tasks = {}, {}
        elif counts and (match := _FIGURE.match(line)):
            figures[match[1]] = float(match[2])
        elif counts and (match := _TASK.match(line)):
            tasks[match[2]] = {"metric": float(match[3])}
        elif match := _ELAPSED.match(line):
            days, hours, minutes, rest = (int(part or 0) for part in match.groups())
            seconds["total"] = float(((days * 24 + hours) * 60 + minutes) * 60 + rest)
    if not counts:
        raise UnreadableError("training did not finish")
    if not (figures or tasks):
        raise UnreadableError("no result in it")
    figures["metric"] = figures.get("overall_metric", figures.get("accuracy", math.nan))
    return figures, tasks, Cost(seconds=seconds)


def _blocks(lines: list[str]) -> tuple[dict[str, str], dict[str, str]]:
    """The configuration and the arguments that Dassl-style programs print first; ours print "KEY:
    value" lines."""
    blocks: dict[str, list[str]] = {}
    name = ""
    for line in lines:
        if line.startswith("** ") and line.rstrip().endswith(" **"):
            name = line.strip("* \n")
        elif line.startswith("*** settings of this run"):
            name = "flat"
        elif line.startswith(("Collecting env info", "Loading trainer", "=> ", "epoch [")) or (
            name == "flat" and not line
        ):
            name = ""
        elif name and not set(line) <= {"*"}:
            blocks.setdefault(name, []).append(line)
    flat = dict(line.split(": ", 1) for line in blocks.get("flat", []) if ": " in line)
    config = text_leaves("\n".join(blocks.get("Config", []))) | {
        key: value.strip("'") for key, value in flat.items()
    }
    return config, text_leaves("\n".join(blocks.get("Arguments", [])))


def _method(config: Mapping[str, str], arguments: Mapping[str, str]) -> str:
    """The method's name as the papers have it."""
    trainer = config.get("TRAINER.NAME") or arguments.get("trainer", "")
    yes = {key for key, value in config.items() if value.lower() == "true"}
    if trainer == "ZeroshotCLIP":
        return ZERO_SHOT
    if trainer == "MTCoOp":
        classes = (
            "NA"
            if "TRAINER.MTCOOP.CSC" not in yes
            else "CS"
            if "TRAINER.MTCOOP.CLASS_CSC" in yes
            else "CA"
        )
        return f"SoftCPT-{classes}{'TS' if 'TRAINER.MTCOOP.TASK_CSC' in yes else 'TA'}"
    if trainer == "MTCoOpHard":
        return (
            "CoOp-CS"
            if "TRAINER.MTCOOPH.CSC" in yes
            else "CoOp-CA"
            if "TRAINER.MTCOOPH.TSC" in yes
            else "CoOp-MT"
        )
    return trainer


def _number(
    told: str | None, least: int, pattern: re.Pattern[str], folders: tuple[str, ...]
) -> int:
    """What the log tells, if it is at least ``least``; else the number in the innermost folder that
    matches; else -1."""
    if told is not None and int(told) >= least:
        return int(told)
    for name in reversed(folders):
        if match := pattern.search(name):
            return int(next(group for group in match.groups() if group))
    return -1


def _folder_classes(folders: tuple[str, ...]) -> str:
    return next((_CLASSES[name] for name in reversed(folders) if name in _CLASSES), "all")
