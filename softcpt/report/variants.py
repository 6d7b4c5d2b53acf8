"""Names that tell runs of one method with other settings apart, so that they are never averaged."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from softcpt.report.run_result import Result

_LONGEST = 32  # characters of a value in a name


def labels(results: Sequence[Result]) -> list[str]:
    """For each result its method's name in the tables.

    Settings of a method that differ between its runs of the same data, classes and shots are part
    of the name: "SoftCPT (n_ctx=4)"; but not the value that most of the variants have, so that of
    many variants each is called by what is its own. What differs with the shots alone (longer
    training for more images) is one protocol.
    """
    by_method: dict[tuple[str, bool], list[Result]] = defaultdict(list)
    for result in results:
        by_method[result.method, result.verified].append(result)
    usual = {method: _usual(mine, _differing(mine)) for method, mine in by_method.items()}
    return [_label(result, usual[result.method, result.verified]) for result in results]


def _label(result: Result, usual: Mapping[str, str | None]) -> str:
    found = {key: result.options.get(key, "?") for key in usual}
    values = [
        f"{key.rsplit('.', 1)[-1].lower()}={_short(value)}"
        for key, value in found.items()
        if value != usual[key]
    ]
    label = result.method
    if values:
        label += f" ({', '.join(values)})"
    return label if result.verified else f"{label} (log)"


def _short(value: str) -> str:
    """Of a long value its beginning, and a digest: two that begin alike are not one."""
    if len(value) <= _LONGEST:
        return value
    return f"{value[: _LONGEST - 8]}... #{hashlib.sha256(value.encode()).hexdigest()[:4]}"


def _usual(results: Sequence[Result], keys: Sequence[str]) -> dict[str, str | None]:
    """By key the value of more than half of the variants; None: there is none."""
    variants = {tuple(result.options.get(key, "?") for key in keys) for result in results}
    usual: dict[str, str | None] = {}
    for key, values in zip(keys, zip(*variants)):
        [(value, count)] = Counter(values).most_common(1)
        usual[key] = value if 2 * count > len(variants) else None
    return usual


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
