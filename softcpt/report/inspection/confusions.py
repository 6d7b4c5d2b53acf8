"""Which classes are taken for which, with images that were."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from softcpt.artefacts.adapted import AdaptedClip
from softcpt.features.images import ImageError, read_image
from softcpt.report.inspection.part import Part, table
from softcpt.report.inspection.run_files import Predictions, RunFiles, image_finder
from softcpt.report.run_result import ZERO_SHOT

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TITLE = "Most confused classes"
_PAIRS, _EXAMPLES = 12, 4
_SIDE = 96  # pixels of a shown image


@dataclass(frozen=True)
class Confusion:
    """Images of class ``truth`` that were taken for ``predicted``: numbers of classes and
    images."""

    truth: int
    predicted: int
    wrong: tuple[int, ...]
    images: int
    before: int | None


def confusions(adapted: AdaptedClip, run: RunFiles, root: Path | None) -> Part:
    """The pairs with the most images."""
    found = run.predictions
    if found is None:
        return Part(TITLE, missing=[run.why])
    if adapted.method_name not in found.methods:
        return Part(TITLE, missing=[f"no predictions of {adapted.method_name}"])
    pairs = confused(found, adapted.method_name)
    if not pairs:
        return Part(TITLE, ["No image of a single class is wrong."])
    names, tasks = found.classes, adapted.tasks
    rows, records = [], []
    for pair in pairs:
        task = tasks.names[found.task_of_class[pair.truth]]
        before = "–" if pair.before is None else str(pair.before)
        counts = [f"{len(pair.wrong)} of {pair.images}", before]
        rows.append([task, names[pair.truth], names[pair.predicted], *counts])
        records.append(
            {
                "task": task,
                "class": names[pair.truth],
                "taken_for": names[pair.predicted],
                "images": len(pair.wrong),
                "of": pair.images,
                "before": pair.before,
            }
        )
    head = ["task", "class", "taken for", "images", "before"]
    shown = table("Most confused pairs", head, rows[:_PAIRS], labels=3)
    text = [
        (
            "Images of a class that were taken for another of its task; before is how many of them "
            "zero-shot CLIP takes for that same class. Images of several classes are left out."
        )
    ]
    folder = image_finder(run, root)
    if folder is None:
        missing = ["no example images: their files are not found here; --root says where"]
        return Part(TITLE, text, [shown], (), {"confusions": records}, missing)
    drawn = _examples(pairs[:_PAIRS], found, folder, adapted.method_name)
    caption = "most confused pairs: images that are wrong, and right ones of the class they got"
    return Part(TITLE, text, [shown], [("confusions", caption, drawn)], {"confusions": records})


def confused(found: Predictions, method: str) -> list[Confusion]:
    """All pairs, those with the most images first."""
    single = (found.label >= 0).sum(axis=1) == 1
    truth, best = found.label[:, 0], found.best[found.methods.index(method)]
    older = found.best[found.methods.index(ZERO_SHOT)] if ZERO_SHOT in found.methods else None
    of_class = Counter(truth[single].tolist())
    wrong: dict[tuple[int, int], list[int]] = {}
    for image in np.flatnonzero(single & (truth != best)).tolist():
        wrong.setdefault((int(truth[image]), int(best[image])), []).append(image)
    pairs = [
        Confusion(
            a,
            b,
            tuple(images),
            of_class[a],
            None if older is None else int((older[images] == b).sum()),
        )
        for (a, b), images in wrong.items()
    ]
    return sorted(
        pairs, key=lambda pair: (-len(pair.wrong), -len(pair.wrong) / pair.images, pair.truth)
    )


def _examples(pairs: Sequence[Confusion], found: Predictions, folder: Path, method: str) -> Figure:
    """A row for each pair: images that are wrong, and images of the class that they were taken
    for."""
    import matplotlib
    from matplotlib.figure import Figure

    from softcpt.report.plot_frame import STYLE, short_name

    side, words, gap, top = 0.7, 2.3, 0.35, 0.35
    width = words + 2 * _EXAMPLES * side + gap + 0.1
    height = top + len(pairs) * (side + 0.12)
    right, truth = found.right(method), found.label[:, 0]
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(width, height))
        for row, pair in enumerate(pairs):
            bottom = height - top - (row + 1) * (side + 0.12)
            names = [short_name(found.classes[at]) for at in (pair.truth, pair.predicted)]
            for line, (text, weight) in enumerate(
                zip((names[0], f"→ {names[1]}"), ("bold", "normal"))
            ):
                y = (bottom + side * (0.62 - 0.3 * line)) / height
                figure.text(0.08 / width, y, text, fontsize=8.5, fontweight=weight)
            same = np.flatnonzero(truth == pair.predicted)
            typical = same[np.argsort(~right[same], kind="stable")].tolist()
            for block, images in enumerate((pair.wrong, typical)):
                left = words + block * (_EXAMPLES * side + gap)
                for place, image in enumerate(images[:_EXAMPLES]):
                    spot = ((left + place * side) / width, bottom / height)
                    axes = figure.add_axes((*spot, 0.94 * side / width, side / height))
                    _show(axes, folder / found.path[image])
        heads = ("images that are wrong", "images of the class that they were taken for")
        for block, text in enumerate(heads):
            left = words + block * (_EXAMPLES * side + gap)
            figure.text(left / width, 1 - 0.22 / height, text, fontsize=8, color="#555555")
    return figure


def _show(axes: Axes, path: Path) -> None:
    axes.axis("off")
    try:
        image = read_image(path)
    except ImageError:
        axes.text(0.5, 0.5, "not read", ha="center", va="center", fontsize=7)
        return
    image.thumbnail((_SIDE, _SIDE))
    axes.imshow(image)
