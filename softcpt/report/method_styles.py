"""Colours and markers, the same in the figures and on the page."""

from __future__ import annotations

from collections.abc import Sequence

from softcpt.report.benchmark import is_zero_shot

# Tell apart for most kinds of colour blindness, on white and on a dark ground; after ten methods
# markers differ.
COLOURS = (
    "#0072b2",
    "#d55e00",
    "#009e73",
    "#cc79a7",
    "#e69f00",
    "#56a5e9",
    "#7f5fc4",
    "#b5533c",
    "#5f8f2f",
    "#c2185b",
)
MARKERS = ("circle", "square", "triangle", "diamond", "cross", "down", "plus")
NEUTRAL = "#808080"


def styles(methods: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Method -> (colour, marker); zero-shot is a grey star."""
    found, index = {}, 0
    for method in methods:
        if is_zero_shot(method):
            found[method] = (NEUTRAL, "star")
            continue
        found[method] = (
            COLOURS[index % len(COLOURS)],
            MARKERS[(index + index // len(COLOURS)) % len(MARKERS)],
        )
        index += 1
    return found
