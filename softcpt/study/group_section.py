"""Writes suggested groups of tasks, and what they reached, into study.md."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tabulate import tabulate

from softcpt.study.affinities import groups_agree
from softcpt.study.matrix import Floats


@dataclass(frozen=True)
class Grouping:
    """Task groups that a table suggests, and what training them reached.

    Attributes:
        groups: places of tasks.
        together, grouped: (S, T) metrics in % of all tasks trained together, and of each in its
            group.
        alone: (S, T) of each by itself.
        chosen: by what on which images, in words.
    """

    groups: Sequence[Sequence[int]]
    together: Floats
    grouped: Floats
    alone: Floats
    chosen: str


def section(
    names: Sequence[str],
    title: str,
    grouping: Grouping,
    pairs: Sequence[Sequence[int]] | None,
) -> str:
    """Groups in words, and a table of what they reached.

    Args:
        names: of the tasks.
        title: method, and by what the groups were chosen.
        grouping: the groups.
        pairs: those that pairs suggested, to compare with; None: nothing is compared.
    """
    columns = (grouping.alone, grouping.grouped, grouping.together)
    rows = [
        [name, *(f"{part.mean(axis=0)[task]:.1f}" for part in columns)]
        for task, name in enumerate(names)
    ]
    rows.append(["**mean**", *(f"**{part.mean():.2f}**" for part in columns)])
    groups = "; ".join(", ".join(names[task] for task in group) for group in grouping.groups)
    agreed = ""
    if pairs is not None:
        agreed = (
            " Adjusted Rand index with the groups that pairs suggested (1: the same, 0: as by "
            f"chance) {groups_agree(grouping.groups, pairs):+.2f}."
        )
    table = tabulate(
        rows,
        ["task, %", "alone", "in its group", "all together"],
        tablefmt="github",
        disable_numparse=True,
    )
    return (
        f"## {title}: suggested groups\n\n{groups}.\n\n"
        f"Chosen by {grouping.chosen}, then trained.{agreed}"
        f"\n\n{table}\n"
    )
