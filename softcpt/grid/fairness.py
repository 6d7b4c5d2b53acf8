"""Checks that the jobs of a comparison share their settings: before they run, and in their results.

Which settings a comparison shares is in softcpt/engine/settings.py.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from softcpt.engine import config, config_keys
from softcpt.engine.settings import OF_TRAINING, SETTINGS, Use, setting_of, shared_of
from softcpt.engine.steps import epochs_given
from softcpt.errors import UserError
from softcpt.grid.jobs import Job, PlannedJob
from softcpt.grid.state import read_result

PRECISION = "PREC"  # each method has a key of its own for it, TRAINER.<method>.PREC


def settings_of(planned: PlannedJob) -> dict[str, Any]:
    """Key -> value of what a job must have in common with the others of its comparison."""
    uses = {Use.AXIS, Use.ALL}
    if planned.trains_by_steps:
        uses.add(Use.TRAINING)
    kept = {
        key: value
        for key, value in config_keys.leaves(planned.cfg)
        if setting_of(key).use in uses and not key.startswith("TRAINER.")
    }
    if epochs_given(planned.cfg) is None:  # they follow from the steps
        kept.pop("OPTIM.MAX_EPOCH", None)
    return {**kept, PRECISION: _precision(planned)}


def _precision(planned: PlannedJob) -> str:
    from dassl.engine import TRAINER_REGISTRY

    method = getattr(TRAINER_REGISTRY.get(planned.method.trainer), "method", "")
    node = config.node_name(method) if method else planned.method.trainer.upper()
    return str(planned.cfg.TRAINER[node].PREC)


def comparisons(planned: Sequence[PlannedJob]) -> Iterator[list[PlannedJob]]:
    """Jobs that stand side by side: the same data, backbone, shots, seed and classes."""
    groups: dict[tuple[str, str, int, int, str], list[PlannedJob]] = defaultdict(list)
    for one in planned:
        job = one.job
        groups[job.data, job.backbone, job.shots, job.seed, job.part].append(one)
    yield from groups.values()


def check_settings(planned: Sequence[PlannedJob], may_differ: Sequence[str] = ()) -> None:
    """Refuse a comparison of jobs under different settings, but for keys in ``may_differ``.

    Raises:
        UserError: naming the first differences.
    """
    for group in comparisons(planned):
        differing = [
            f"{key} is {value!r} for {first.method} and {other!r} for {job.method}"
            for key, first, value, job, other in _differences(group, settings_of)
            if key not in may_differ
        ]
        if differing:
            raise UserError(
                f"grid: not a fair comparison: {'; '.join(differing[:3])}; give all methods the "
                "same in set, or list the keys in may_differ"
            )


def _differences(
    group: Iterable[PlannedJob], values_of: Callable[[PlannedJob], Mapping[str, Any]]
) -> Iterator[tuple[str, Job, Any, Job, Any]]:
    """(key, first job that has it, its value, other job, its other value) for all that differ."""
    found: dict[str, tuple[Job, Any]] = {}
    for one in group:
        for key, value in values_of(one).items():
            first, expected = found.setdefault(key, (one.job, value))
            if value != expected:
                yield key, first, expected, one.job, value


def describe(planned: Sequence[PlannedJob], device: str) -> list[tuple[str, str]]:
    """What all jobs share, in words: (what, value); where comparisons differ in it, all values."""
    labels = {setting.key: setting.label for setting in SETTINGS if setting.label}
    labels[PRECISION] = labels.pop("TRAINER.*.PREC")
    found: dict[str, dict[str, None]] = {label: {} for label in labels.values()}
    for one in planned:
        settings = settings_of(one)
        for key, label in labels.items():
            if key in settings:
                found[label][_in_words(settings[key])] = None
    if device.startswith("cpu") and "fp16" in found["precision"]:
        del found["precision"]["fp16"]
        found["precision"]["fp32 (fp16 is for GPUs)"] = None
    shown = [(label, ", ".join(filter(None, values))) for label, values in found.items()]
    return [(label, values) for label, values in shown if values] + [("device", device)]


def _in_words(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, (tuple, list)) else str(value)


def check_results(planned: Sequence[PlannedJob]) -> list[str]:
    """What results of one comparison do not share although they should; empty: they share all."""
    problems: dict[str, None] = {}
    for group in comparisons(planned):
        for key, first, value, job, other in _differences(group, _shared_in_results):
            problems[f"{key}: {value!r} ({first}), {other!r} ({job})"] = None
    return list(problems)


def _shared_in_results(planned: PlannedJob) -> Mapping[str, Any]:
    result = read_result(planned.job.folder)
    if result is None:
        return {}
    shared = shared_of(result)
    if not planned.trains_by_steps:
        shared = {key: value for key, value in shared.items() if key not in OF_TRAINING}
    versions = {f"version of {name}": version for name, version in result["versions"].items()}
    return shared | versions
