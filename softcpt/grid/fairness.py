"""Which settings the jobs of a comparison share: told and checked before they run, and again in
their results."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from softcpt.engine import config
from softcpt.errors import UserError
from softcpt.grid.jobs import Job, Planned
from softcpt.grid.state import read_result
from softcpt.report.groups import TRAINING_SETTINGS
from softcpt.report.results_json import shared_of

# What a method may have of its own: its learning rate, and below TRAINER its options.
_OWN = {"OPTIM.LR"}
# Other keys, by their beginnings: what no figure depends on.
_ASIDE = (
    "TRAINER.",
    "TRAIN.",
    "VERSION",
    "DATALOADER.TEST.",
    "TEST.PER_",
    "TEST.COMPUTE_CMAT",
    "TEST.EVALUATOR",
)
# What only methods have that are trained step by step.
_OF_TRAINING = (
    "OPTIM.",
    "DATALOADER.TRAIN_X.",
    "DATALOADER.NUM_WORKERS",
    "INPUT.TRANSFORMS",
    "INPUT.RRCROP_SCALE",
    "FEATURES.MODE",
    "FEATURES.VIEWS",
    "TEST.FINAL_MODEL",
)


def settings_of(plan: Planned) -> dict[str, Any]:
    """Key -> value of what a job must have in common with the others of its comparison."""
    leaves = dict(config.leaves(config.run_settings(plan.cfg)))
    trained = plan.method.learns and plan.method.by_steps
    kept = {
        key: value
        for key, value in leaves.items()
        if key not in _OWN
        and not key.startswith(_ASIDE)
        and (trained or not key.startswith(_OF_TRAINING))
    }
    return {**kept, "PREC": _precision(plan)}


def _precision(plan: Planned) -> str:
    from dassl.engine import TRAINER_REGISTRY

    method = getattr(TRAINER_REGISTRY.get(plan.method.trainer), "method", "")
    node = config.node_name(method) if method else plan.method.trainer.upper()
    return plan.cfg.TRAINER[node].PREC


def comparisons(planned: Sequence[Planned]) -> Iterator[list[Planned]]:
    """Jobs that stand side by side: the same data, backbone, shots, seed and classes."""
    groups: dict[tuple, list[Planned]] = defaultdict(list)
    for plan in planned:
        job = plan.job
        groups[job.data, job.backbone, job.shots, job.seed, job.part].append(plan)
    yield from groups.values()


def check_settings(planned: Sequence[Planned], may_differ: Sequence[str] = ()) -> None:
    """Refuse a comparison of jobs under different settings, but for keys in ``may_differ``.

    Raises:
        UserError: naming the first differences.
    """
    for group in comparisons(planned):
        told: dict[str, tuple[Job, Any]] = {}
        differing = []
        for plan in group:
            for key, value in settings_of(plan).items():
                first, other = told.setdefault(key, (plan.job, value))
                if value != other and key not in may_differ:
                    differing.append(
                        f"{key} is {other!r} for {first.method} and {value!r} for {plan.job.method}"
                    )
        if differing:
            raise UserError(
                f"grid: not a fair comparison: {'; '.join(differing[:3])}; give all methods the "
                "same in "
                "set, or list the keys in may_differ"
            )


def describe(planned: Sequence[Planned], device: str) -> list[tuple[str, str]]:
    """What all jobs share, in words: (what, value); where comparisons differ in it, all values."""
    keys = {
        "data": "DATASET.NAME",
        "classes": "DATASET.SUBSAMPLE_CLASSES",
        "precision": "PREC",
        "epochs": "OPTIM.MAX_EPOCH",
        "batch size": "DATALOADER.TRAIN_X.BATCH_SIZE",
        "optimiser": "OPTIM.NAME",
        "schedule": "OPTIM.LR_SCHEDULER",
        "warm-up epochs": "OPTIM.WARMUP_EPOCH",
        "schedule of the published code": "OPTIM.REFERENCE_SCHEDULE",
        "training transforms": "INPUT.TRANSFORMS",
        "crop scale": "INPUT.RRCROP_SCALE",
        "image features": "FEATURES.MODE",
        "views (0: one per epoch)": "FEATURES.VIEWS",
        "prompt that counts": "TEST.FINAL_MODEL",
        "tested on": "TEST.SPLIT",
        "loader processes": "DATALOADER.NUM_WORKERS",
    }
    told = {"fp16": "fp32 (fp16 is for GPUs)"} if device.startswith("cpu") else {}
    found: dict[str, dict[str, None]] = {name: {} for name in ("backbone", "shots", "seeds", *keys)}
    for plan in planned:
        settings = settings_of(plan)
        found["backbone"][plan.cfg.MODEL.BACKBONE.NAME] = None
        found["shots"][str(plan.job.shots)] = None
        found["seeds"][str(plan.job.seed)] = None
        for name, key in keys.items():
            if key in settings:
                value = settings[key]
                value = (
                    " ".join(map(str, value)) if isinstance(value, (tuple, list)) else str(value)
                )
                found[name][told.get(value, value)] = None
    return [(name, ", ".join(values)) for name, values in found.items() if values] + [
        ("device", device)
    ]


def check_results(planned: Sequence[Planned]) -> list[str]:
    """What results of one comparison do not share although they should; an empty list: all is
    well."""
    problems: dict[str, None] = {}
    for group in comparisons(planned):
        told: dict[str, tuple[Job, Any]] = {}
        for plan in group:
            for key, value in _shared(plan).items():
                first, other = told.setdefault(key, (plan.job, value))
                if value != other:
                    problems[f"{key}: {other!r} ({first}), {value!r} ({plan.job})"] = None
    return list(problems)


def _shared(plan: Planned) -> Mapping[str, Any]:
    result = read_result(plan.job.folder)
    if result is None:
        return {}
    trained = plan.method.learns and plan.method.by_steps
    shared = {
        key: value
        for key, value in shared_of(result).items()
        if trained or key not in TRAINING_SETTINGS
    }
    return {
        **shared,
        **{f"version of {name}": version for name, version in result["versions"].items()},
    }
