"""How alike the tasks are to the prompt: by their contexts, the features that contexts are made
from, and their classes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from softcpt.prompters import TaskClassifier
from softcpt.prompters.base import Prompter
from softcpt.prompters.softcpt import SoftCPT
from softcpt.report.inspection.part import Part, table
from softcpt.report.relations import alike_together, similarity
from softcpt.report.run_result import Contexts
from softcpt.tasks import TaskSet

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "Similarity of tasks"


@dataclass(frozen=True)
class Likeness:
    """Cosines (T, T) of one kind, less what all tasks share."""

    slug: str
    of: str
    cosines: NDArray[np.float64]


@torch.no_grad()
def likenesses(method: TaskClassifier) -> Iterator[Likeness]:
    """All that the method has; nothing where all tasks share it."""
    tasks = method.tasks
    contexts = method.contexts()
    if contexts is not None and contexts.numel():
        rows = contexts.movedim(-3, 0).flatten(1)
        yield from _likeness(tasks, "contexts", "the tasks' contexts", rows)
    if isinstance(method, SoftCPT) and method.options.reads_task_features:
        rows = method.task_features()
        yield from _likeness(tasks, "features", "the tasks' features", rows)
    if isinstance(method, Prompter):
        embeddings = method.class_embeddings()
        # Of several prompts for a class (PLOT) the first dimensions count them.
        rows = embeddings.movedim(-2, 0).flatten(1)
        yield from _likeness(tasks, "classes", "the means of the tasks' class embeddings", rows)


def _likeness(tasks: TaskSet, slug: str, of: str, rows: Tensor) -> Iterator[Likeness]:
    rows = rows.detach().double().cpu()
    if len(rows) == tasks.num_classes and len(rows) != len(tasks):
        rows = tasks.mean_of_classes(rows)
    if len(rows) == len(tasks) and not (rows == rows[0]).all():
        products = tuple(map(tuple, (rows @ rows.t()).tolist()))
        gram = Contexts(tuple(tasks.names), products)
        yield Likeness(slug, of, similarity(gram))


def similar_tasks(method: TaskClassifier) -> Part:
    """A heat map with a tree for each kind."""
    tasks = method.tasks
    if len(tasks) < 3:
        return Part(TITLE, missing=[f"there are {len(tasks)} task(s), and it takes three"])
    found = list(likenesses(method))
    if not found:
        return Part(TITLE, missing=["all tasks share what was trained"])
    pictures, records = [], []
    for each in found:
        label = "cosine, mean over tasks taken away"
        drawn = with_tree(each.cosines, tasks.names, label)
        drawn.axes[0].set_xlabel(each.of)
        pictures.append((f"similarity-{each.slug}", f"similarity of tasks by {each.of}", drawn))
        for row, one in enumerate(tasks.names):
            for column in range(row + 1, len(tasks)):
                cosine = float(each.cosines[row, column])
                records.append(
                    {"of": each.slug, "task": one, "other": tasks.names[column], "cosine": cosine}
                )
    text = [
        (
            "Cosines between tasks, of each kind less its mean over tasks: what all tasks share "
            "says nothing of relations. Red is alike, blue is unlike. The tree joins what is alike "
            "(average linkage)."
        )
    ]
    shown = table(
        "Most alike tasks",
        ["by", "task", "most alike", "cosine"],
        [row for each in found for row in _most_alike(each, tasks)],
        labels=3,
    )
    return Part(TITLE, text, [shown], pictures, {"similarity": records})


def _most_alike(found: Likeness, tasks: TaskSet) -> Iterator[list[str]]:
    values = found.cosines - 3 * np.eye(len(tasks))
    for row, name in enumerate(tasks.names):
        other = int(values[row].argmax())
        yield [found.slug, name, tasks.names[other], f"{values[row, other]:.2f}".replace("-", "−")]


def with_tree(
    cosines: NDArray[np.float64], names: tuple[str, ...] | list[str], label: str
) -> Figure:
    """A heat map in which alike tasks are neighbours, under the tree that orders them."""
    import matplotlib
    from scipy.cluster.hierarchy import dendrogram, linkage
    from scipy.spatial.distance import squareform

    from softcpt.report.plot_frame import STYLE
    from softcpt.report.plots import heat_map

    order = alike_together(cosines)
    distances = squareform((1 - (cosines + cosines.T) / 2).round(12), checks=False)
    tree = dendrogram(linkage(distances, "average", optimal_ordering=True), no_plot=True)
    with matplotlib.rc_context(STYLE):
        drawn = heat_map(cosines[np.ix_(order, order)], [names[at] for at in order], label, 1.0)
        width, height = drawn.get_size_inches()
        full = height + 0.7
        for axes in drawn.axes:
            place = axes.get_position()
            axes.set_position(
                (place.x0, place.y0 * height / full, place.width, place.height * height / full)
            )
        drawn.set_size_inches(width, full)
        place = drawn.axes[0].get_position()
        above = drawn.add_axes((place.x0, place.y1 + 0.04 / full, place.width, 0.8 / full))
        for x, y in zip(tree["icoord"], tree["dcoord"]):
            above.plot(x, y, color="#555555", linewidth=1)
        above.set_xlim(0, 10 * len(names))
        above.set_ylim(0, None)
        above.axis("off")
    return drawn
