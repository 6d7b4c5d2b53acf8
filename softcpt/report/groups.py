"""Groups runs by their settings: only those made under the same ones stand together."""

from __future__ import annotations

import fnmatch
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from softcpt.engine.settings import OF_TRAINING
from softcpt.report.run_result import Result

DrawKey = tuple[str, str, int, int]  # data set, classes, shots, seed
Images = tuple[str, ...]


@dataclass
class Group:
    """Runs under the same settings.

    Attributes:
        settings: of all of its runs.
        results: from results.json files.
        unverified: from log.txt files of the same backbone, whose settings are known in part.
    """

    settings: Mapping[str, Any]
    results: list[Result] = field(default_factory=list)
    unverified: list[Result] = field(default_factory=list)


def group_results(results: Iterable[Result], ignore: Sequence[str] = ()) -> list[Group]:
    """Groups, the largest first. Settings that match a pattern of ``ignore`` are not looked at.

    Runs read from logs join every group of their backbone and one of its data sets; those that fit
    nowhere are grouped by what their logs say.
    """
    results = list(results)
    trained = [result for result in results if result.verified and not _only_zero_shot(result)]
    groups: dict[str, Group] = {}
    for result in trained:
        settings = _settings(result, ignore)
        groups.setdefault(_key(settings), Group(settings)).results.append(result)
    for result in results:
        if result.verified and _only_zero_shot(result):
            _join(result, groups, ignore)
    for result in results:
        if not result.verified:
            _stand_beside(result, groups, ignore)
    return sorted(groups.values(), key=lambda group: -len(group.results + group.unverified))


def differing(groups: Sequence[Group]) -> dict[str, list[Any]]:
    """Setting -> its value in every group (None: not given), for settings that are not the same in
    all."""
    keys = dict.fromkeys(key for group in groups for key in group.settings)
    values = {key: [group.settings.get(key) for group in groups] for key in keys}
    return {
        key: found for key, found in values.items() if len({_key(value) for value in found}) > 1
    }


def split_by_images(results: Sequence[Result]) -> list[list[Result]]:
    """Results such that within each list all methods saw the same images at the same classes, shots
    and seed.

    Files without hashes of the images count as the same. A method goes where none of its runs
    contradicts.
    """
    by_method: dict[str, list[Result]] = defaultdict(list)
    for result in results:
        by_method[result.method].append(result)
    batches: list[list[Result]] = []
    for mine in by_method.values():
        batches += [mine] if _consistent(mine) else [[result] for result in mine]
    parts: list[tuple[dict[DrawKey, Images], list[Result]]] = []
    for batch in batches:
        seen, part = next(
            (part for part in parts if all(_agrees(part[0], result) for result in batch)), ({}, [])
        )
        if not part:
            parts.append((seen, part))
        seen.update({_draw_key(result): result.images for result in batch if result.images})
        part.extend(batch)
    return [part for _, part in parts]


def _draw_key(result: Result) -> DrawKey:
    return result.dataset, result.classes, result.shots, result.seed


def _agrees(seen: Mapping[DrawKey, Images], result: Result) -> bool:
    return not result.images or seen.get(_draw_key(result), result.images) == result.images


def _consistent(results: Sequence[Result]) -> bool:
    seen: dict[DrawKey, Images] = {}
    return all(
        seen.setdefault(_draw_key(result), result.images) == result.images
        for result in results
        if result.images
    )


def _only_zero_shot(result: Result) -> bool:
    return result.zero_shot and result.own


def _settings(result: Result, ignore: Sequence[str]) -> dict[str, Any]:
    return {
        key: value
        for key, value in result.settings.items()
        if not any(fnmatch.fnmatchcase(key, pattern) for pattern in ignore)
    }


def _key(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)


def _join(result: Result, groups: dict[str, Group], ignore: Sequence[str]) -> None:
    """Add a zero-shot run to all groups it fits, or to one of its own."""
    settings = _settings(result, ignore)
    tested = _key(_of_all_methods(settings))
    fits = [group for group in groups.values() if _key(_of_all_methods(group.settings)) == tested]
    for group in fits or [groups.setdefault(_key(settings), Group(settings))]:
        group.results.append(result)


def _of_all_methods(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Without those of training alone: a zero-shot run fits into groups that differ in them."""
    return {key: value for key, value in settings.items() if key not in OF_TRAINING}


def _stand_beside(result: Result, groups: dict[str, Group], ignore: Sequence[str]) -> None:
    """Add a run read from a log to the groups of its backbone and data set, or to one of logs
    alone."""
    fits = [
        group
        for group in groups.values()
        if any(
            (other.dataset, other.backbone) == (result.dataset, result.backbone)
            for other in group.results
        )
    ]
    if not fits:
        settings = {"backbone": result.backbone, **_settings(result, ignore)}
        fits = [groups.setdefault("log " + _key(settings), Group(settings))]
    for group in fits:
        group.unverified.append(result)
