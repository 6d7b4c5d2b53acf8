"""Names that tell runs of one method with other settings apart, so that they are never averaged."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from softcpt.report.run_result import Result


def labels(results: Sequence[Result]) -> list[str]:
    """For each result its method's name in the tables.

    Settings of a method that differ between its runs of the same data, classes and shots are part
    of the name: "SoftCPT (n_ctx=4)". What differs with the shots alone (longer training for more
    images) is one protocol.
    """
    by_method: dict[tuple[str, bool], list[Result]] = defaultdict(list)
    for result in results:
        by_method[result.method, result.verified].append(result)
    differing = {method: _differing(mine) for method, mine in by_method.items()}
    return [_label(result, differing[result.method, result.verified]) for result in results]


def _label(result: Result, keys: Sequence[str]) -> str:
    values = [f"{key.rsplit('.', 1)[-1].lower()}={result.options.get(key, '?')}" for key in keys]
    label = result.method
    if values:
        label += f" ({', '.join(values)})"
    return label if result.verified else f"{label} (log)"


def _differing(results: Sequence[Result]) -> list[str]:
    """Keys of options with several values in one place of the tables."""
    places: dict[tuple[str, str, int], list[Result]] = defaultdict(list)
    for result in results:
        places[result.dataset, result.classes, result.shots].append(result)
    found: dict[str, None] = {}
    for first, *others in places.values():
        for other in others:
            found |= dict.fromkeys(
                key
                for key, value in first.options.items()
                if value != other.options.get(key, value)  # absent: a key of later versions
            )
    return sorted(found)
