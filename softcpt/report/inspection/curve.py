"""The learning curve: the mean loss of every epoch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from softcpt.report.inspection.part import Part

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "Learning curve"


def learning_curve(curve: Sequence[dict[str, float]]) -> Part:
    """Of a record's ``curve``."""
    if len(curve) < 2:
        return Part(TITLE, missing=["it was not trained over epochs, or none were kept"])
    first, last = curve[0], curve[-1]
    lowest = min(curve, key=lambda each: each["loss"])
    text = (
        f"Mean training loss over {len(curve)} epochs: {first['loss']:.3f} in the first, "
        f"{last['loss']:.3f} in the last; the lowest is {lowest['loss']:.3f}, in epoch "
        f"{lowest['epoch']}."
    )
    picture = ("curve", "training loss by epoch", _drawn(curve))
    return Part(TITLE, [text], pictures=[picture], records={"curve": list(curve)})


def _drawn(curve: Sequence[dict[str, float]]) -> Figure:
    import matplotlib
    from matplotlib.ticker import MaxNLocator

    from softcpt.report.method_styles import COLOURS
    from softcpt.report.plot_frame import STYLE, panels

    with matplotlib.rc_context(STYLE):
        figure, [axes] = panels(4.2, 2.3)
        axes.plot(
            [each["epoch"] for each in curve],
            [each["loss"] for each in curve],
            color=COLOURS[0],
            lw=1.5,
            marker="o" if len(curve) <= 30 else None,
            ms=3,
        )
        axes.set_xlabel("epoch")
        axes.set_ylabel("mean training loss")
        axes.set_ylim(bottom=0)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    return figure
