"""How far the probabilities can be believed: calibration error, and the plot that shows it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from softcpt.metrics import CALIBRATION_BINS, calibration_error
from softcpt.report.inspection.part import Part, percent, table
from softcpt.report.inspection.run_files import RunFiles
from softcpt.report.run_result import ZERO_SHOT

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TITLE = "Calibration"


@dataclass(frozen=True)
class Reliability:
    """By bin of confidence, (m / B, (m + 1) / B], of the images of all tasks.

    Attributes:
        method: its name.
        images: (B,) their number.
        confidence, accuracy: (B,) their means, from 0 to 1; nan in empty bins.
        error: expected calibration error over all images, in %.
    """

    method: str
    images: NDArray[np.int64]
    confidence: NDArray[np.float64]
    accuracy: NDArray[np.float64]
    error: float


def reliability(
    method: str, confidences: NDArray[np.floating], right: NDArray[np.bool_]
) -> Reliability:
    """Of images with the probability of the class predicted (N,), and whether it is right (N,)."""
    edges = np.arange(1, CALIBRATION_BINS) / CALIBRATION_BINS
    bins = np.digitize(confidences, edges, right=True)
    images = np.bincount(bins, minlength=CALIBRATION_BINS)

    def mean(values: NDArray[Any]) -> NDArray[np.float64]:
        total = np.bincount(bins, values.astype(np.float64), CALIBRATION_BINS)
        found = np.full(CALIBRATION_BINS, np.nan)
        np.divide(total, images, out=found, where=images > 0)
        return found

    error = calibration_error(confidences, right)
    return Reliability(method, images, mean(confidences), mean(right), error)


def calibration(method: str, run: RunFiles) -> Part:
    """Of a prompt and, where it was measured, of zero-shot CLIP."""
    found = run.predictions
    if found is None:
        return Part(TITLE, missing=[run.why])
    shown = [
        reliability(name, found.probability[found.methods.index(name)], found.right(name))
        for name in (ZERO_SHOT, method)
        if name in found.methods
    ]
    if not shown:
        return Part(TITLE, missing=[f"no predictions of {method}"])
    figures = {each.method: run.figures(each.method) for each in shown}
    rows = [
        [name, *(percent(figures[each.method].get(name, {}).get("ece")) for each in shown)]
        for name in run.figures(method)
    ]
    rows.append(["all images", *(percent(each.error) for each in shown)])
    head = ["task", *(f"{each.method}, %" for each in shown)]
    text = [
        (
            "Confidence is the probability of the class predicted. In a calibrated model, of the "
            "images with confidence 0.8 eight in ten are right: points lie on the diagonal. Below "
            "it the model is too sure of itself. The expected calibration error (ECE) is the mean "
            f"distance from it, over {CALIBRATION_BINS} bins, weighted by their images."
        )
    ]
    records = [
        {
            "method": each.method,
            "from": at / CALIBRATION_BINS,
            "to": (at + 1) / CALIBRATION_BINS,
            "images": int(each.images[at]),
            "confidence": float(each.confidence[at]),
            "accuracy": float(each.accuracy[at]),
        }
        for each in shown
        for at in range(CALIBRATION_BINS)
        if each.images[at]
    ]
    drawn = _diagram(shown)
    return Part(
        TITLE,
        text,
        [table("Expected calibration error", head, rows)],
        [("calibration", "accuracy against confidence", drawn)],
        {"calibration": records},
    )


def _diagram(shown: Sequence[Reliability]) -> Figure:
    """Accuracy against confidence, and below how many images there are."""
    import matplotlib

    from softcpt.report.plot_frame import STYLE, panels

    with matplotlib.rc_context(STYLE):
        figure, axes = panels(2.5, 2.5, len(shown), bottom=1.15, left=0.6)
        for panel, each in zip(axes, shown):
            _reliable(panel, each)
        axes[0].set_ylabel("share that is right")
        height = figure.get_figheight()
        for panel, each in zip(axes, shown):
            place = panel.get_position()
            below = figure.add_axes((place.x0, 0.45 / height, place.width, 0.5 / height))
            centres = (np.arange(CALIBRATION_BINS) + 0.5) / CALIBRATION_BINS
            below.bar(centres, each.images, 0.9 / CALIBRATION_BINS, color="#b8bec6")
            below.set_xlim(0, 1)
            below.set_ylim(0, 1.1 * max(one.images.max() for one in shown))
            below.set_xlabel("confidence")
            below.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
            below.tick_params(axis="y", labelsize=7)
            below.locator_params(axis="y", nbins=2)
            panel.tick_params(axis="x", labelbottom=False)
        figure.axes[len(shown)].set_ylabel("images")
    return figure


def _reliable(axes: Axes, found: Reliability) -> None:
    from softcpt.report.method_styles import COLOURS, NEUTRAL

    axes.plot([0, 1], [0, 1], color=NEUTRAL, lw=1, ls="--")
    filled = found.images > 0
    x, y = found.confidence[filled], found.accuracy[filled]
    colour = NEUTRAL if found.method == ZERO_SHOT else COLOURS[0]
    axes.vlines(x, np.minimum(x, y), np.maximum(x, y), color=COLOURS[1], lw=3, alpha=0.35)
    axes.plot(x, y, color=colour, lw=0.8, alpha=0.6)
    weights = found.images[filled] / found.images.max()
    axes.scatter(x, y, 8 + 40 * weights, color=colour, zorder=3)
    axes.set_xlim(0, 1)
    axes.set_xticks([0, 0.5, 1])
    axes.set_ylim(-0.02, 1.02)
    axes.set_title(f"{found.method}: ECE {found.error:.1f} %", loc="left")
