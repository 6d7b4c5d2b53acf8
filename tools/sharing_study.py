"""What sharing among tasks adds to a head: TextGDA beside TextGDA-MT, by shots, by the tasks in the
pool and by the classes of a task; and tuned text under heads.

    python tools/sharing_study.py --data emoji44 --output docs/results/sharing
    python tools/sharing_study.py --data photo16 --root data --text-seeds 0

Every figure is on the test images of three draws; nothing is chosen here. It writes
<data>-pools.csv, <data>-text.csv and <data>.md.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

import numpy as np
import torch
from scipy.stats import spearmanr
from tabulate import tabulate
from torch import Tensor
from tqdm import tqdm

import softcpt
from softcpt.engine.fit_settings import FitSettings
from softcpt.engine.head_fitting import HeadFitting
from softcpt.engine.run_inputs import BatchMaker, open_bank
from softcpt.prompters.heads.head import Head
from softcpt.report.statistics import paired
from softcpt.utils.stopwatch import Stopwatch

SHOTS, SEEDS = (1, 2, 4), (1, 2, 3)
FOLDS = 4  # of tasks, for text of a SoftCPT that never saw the task
VIEWS = {"views": 2, "crop_scale": (0.5, 1.0)}  # configs/trainers/shared/tiny.yaml
# The same for SoftCPT.
STEPS = {"steps_per_shot": 75, "batch_size": 1024, "optimizer": "adam", "n_ctx": 16}
TEXT_HEADS = ("MeansText", "CLAP", "TextGDA", "TextGDA-MT")
SIZES = ("2 to 8", "9 to 16", "17 and more")  # classes of a task
UPPER = (8, 16)


@dataclass(frozen=True)
class Draw:
    """Features of one draw: (N, 1 + V, D) of training images, clean first; (M, D) of test
    images; and their global labels."""

    tasks: softcpt.TaskSet
    train: tuple[Tensor, Tensor]
    test: tuple[Tensor, Tensor]

    def of(self, chosen: Sequence[int]) -> Draw:
        """The same for some of the tasks, ascending."""
        classes = self.tasks.classes_of(chosen)

        def part(features: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
            mine = torch.isin(labels, classes)
            return features[mine], torch.searchsorted(classes, labels[mine])

        tasks = softcpt.TaskSet([self.tasks[task] for task in chosen])
        return Draw(tasks, part(*self.train), part(*self.test))


def draw(clip: softcpt.Clip, args: argparse.Namespace, shots: int, seed: int) -> Draw:
    """Encodes the images, or reads the feature bank."""
    data = softcpt.load_data(args.data, args.root, shots, seed, on_missing="skip-tasks")
    cfg = FitSettings(seed=seed, **VIEWS).to_cfg(clip, "")
    method = softcpt.build_method("TextGDA-MT", clip, data.tasks)
    maker = BatchMaker(cfg, open_bank(cfg, clip, type(method)), prompts_images=False, quiet=True)
    fitting = HeadFitting(method, maker, Stopwatch())
    return Draw(data.tasks, fitting.features(data.train, views=2), fitting.features(data.test))


def accuracies(
    method: str, clip: softcpt.Clip, given: Draw, text: Tensor | None = None
) -> dict[str, float]:
    """By task name the accuracy in % of a head; ``text`` (C, D) in place of zero-shot's."""
    head = softcpt.build_method(method, clip, given.tasks)
    assert isinstance(head, Head)
    if text is not None:
        head.text = text
    head.fit(*given.train)
    features, labels = given.test
    with torch.no_grad():
        right = given.tasks.predict(head.logits(features), labels) == labels
    owners = given.tasks.owners(labels)
    return {
        name: 100 * right[owners == task].double().mean().item()
        for task, name in enumerate(given.tasks.names)
    }


def pools(count: int, seed: int) -> Iterator[tuple[int, list[list[int]]]]:
    """(size, the tasks divided into pools of that size) from two tasks to all."""
    order = np.random.default_rng(seed).permutation(count).tolist()
    size = 2
    while size < count:
        yield size, [sorted(order[at : at + size]) for at in range(0, count, size)]
        size *= 2
    yield count, [sorted(order)]


# -- the readings ----------------------------------------------------------------------------------

Figures = dict[str, list[float]]  # by task, one of each draw


def added(
    clip: softcpt.Clip, draws: Mapping[int, list[Draw]]
) -> dict[tuple[int, int], dict[str, float]]:
    """(shots, tasks in the pool) -> by task: TextGDA-MT minus TextGDA, mean over draws; pool 0
    holds TextGDA itself."""
    found: dict[tuple[int, int], Figures] = {}
    for shots, of_seeds in draws.items():
        for seed, given in enumerate(tqdm(of_seeds, f"{shots} shots")):
            alone = accuracies("TextGDA", clip, given)
            note(found, (shots, 0), alone)
            for size, parts in pools(len(given.tasks), seed):
                shared: dict[str, float] = {}
                for part in parts:
                    shared |= accuracies("TextGDA-MT", clip, given.of(part))
                note(found, (shots, size), {name: shared[name] - alone[name] for name in alone})
    return {key: {task: mean(each) for task, each in by.items()} for key, by in found.items()}


def note(
    found: dict[tuple[int, int], Figures], key: tuple[int, int], values: dict[str, float]
) -> None:
    """Add one draw's figures."""
    for task, value in values.items():
        found.setdefault(key, {}).setdefault(task, []).append(value)


def tuned_text(clip: softcpt.Clip, given: Draw, seed: int) -> Iterator[tuple[str, Tensor]]:
    """(what, (C, D)) the text of SoftCPT trained on the draw, and of those that never saw the
    task."""
    count = len(given.tasks)
    yield "of SoftCPT", trained(clip, given, seed).method.class_embeddings().detach()
    order = np.random.default_rng(seed).permutation(count)
    text = torch.zeros(given.tasks.num_classes, clip.embed_dim)
    for fold in range(FOLDS):
        mine = sorted(order[fold::FOLDS].tolist())
        others = sorted(set(range(count)) - set(mine))
        there = trained(clip, given.of(others), seed).method.for_tasks(given.of(mine).tasks)
        text[given.tasks.classes_of(mine)] = there.class_embeddings().detach()
    yield "of SoftCPT on other tasks", text


def trained(clip: softcpt.Clip, given: Draw, seed: int) -> softcpt.AdaptedClip:
    """SoftCPT on the augmented views."""
    features, labels = given.train
    data = softcpt.FeatureData(given.tasks, features[:, 1:], labels)
    return softcpt.fit("SoftCPT", clip, data, seed=seed, progress=False, **STEPS)


def under_heads(
    clip: softcpt.Clip, draws: Mapping[int, list[Draw]], seeds: int
) -> list[tuple[int, str, str, float]]:
    """(shots, text, head, mean over tasks and draws)."""
    rows: dict[tuple[int, str, str], list[float]] = {}
    for shots in (min(draws), max(draws)):
        for seed, given in enumerate(tqdm(draws[shots][:seeds], f"text, {shots} shots"), 1):
            texts = [("of zero-shot", None), *tuned_text(clip, given, seed)]
            for (what, text), head in ((text, head) for text in texts for head in TEXT_HEADS):
                value = mean(accuracies(head, clip, given, text).values())
                rows.setdefault((shots, what, head), []).append(value)
    return [(*key, mean(values)) for key, values in rows.items()]


# -- what is written -------------------------------------------------------------------------------


def interval(values: Sequence[float]) -> str:
    """Mean, 95 % interval over tasks and p of the paired t-test."""
    found = paired(values)
    half = "" if found.half_width is None else f" ± {found.half_width:.2f}"
    p = "" if found.t_test is None else f" (p {found.t_test:.2g})"
    return f"{found.mean:+.2f}{half}{p}"


def size_of(classes: int) -> str:
    """Which of :data:`SIZES` a task of so many classes is."""
    return SIZES[sum(classes > bound for bound in UPPER)]


def by_classes(
    gains: Mapping[tuple[int, int], Mapping[str, float]], tasks: softcpt.TaskSet
) -> list[list[str]]:
    """Rows (shots, each size, Spearman's rank correlation with the number of classes)."""
    sizes = {task.name: len(task.class_names) for task in tasks}
    rows = []
    for shots, pool in sorted(gains):
        if pool != len(tasks):
            continue
        mine = gains[shots, pool]
        parts = [[mine[name] for name in mine if size_of(sizes[name]) == size] for size in SIZES]
        found = spearmanr([sizes[name] for name in mine], list(mine.values()))
        cells = [interval(part) if len(part) > 1 else "" for part in parts]
        rows.append([str(shots), *cells, f"{found.statistic:+.2f} (p {found.pvalue:.2g})"])
    return rows


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """As markdown."""
    return tabulate(rows, head, tablefmt="github", disable_numparse=True)


def write_csv(path: Path, head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """For spreadsheets."""
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([head, *rows])


def page(
    args: argparse.Namespace,
    tasks: softcpt.TaskSet,
    gains: Mapping[tuple[int, int], Mapping[str, float]],
    texts: Sequence[tuple[int, str, str, float]],
) -> str:
    """The tables of the study."""
    sizes = sorted({pool for _, pool in gains if pool})
    of_pools = [
        [str(shots), f"{mean(gains[shots, 0].values()):.2f}"]
        + [interval(list(gains[shots, size].values())) for size in sizes]
        for shots in SHOTS
    ]
    about = (
        f"`python tools/sharing_study.py --data {args.data}`: test accuracy in %, mean over "
        f"{len(tasks)} tasks and three draws. TextGDA-MT estimates its slope and its covariance "
        "from all tasks of a pool, TextGDA from one task. Intervals: 95 %, p: paired t-test, both "
        "over tasks."
    )
    parts = [
        f"# What sharing adds to TextGDA: {args.data}",
        about,
        "## By the tasks in the pool: TextGDA-MT minus TextGDA",
        table(["shots", "TextGDA", *(f"pools of {size}" for size in sizes)], of_pools),
        "## By the classes of the task, all tasks in the pool",
        table(
            ["shots", *(f"{size} classes" for size in SIZES), "rank correlation with classes"],
            by_classes(gains, tasks),
        ),
    ]
    if texts:
        cells = {(shots, what, head): value for shots, what, head, value in texts}
        rows = [
            [str(shots), what, *(f"{cells[shots, what, head]:.2f}" for head in TEXT_HEADS)]
            for shots, what in dict.fromkeys((row[0], row[1]) for row in texts)
        ]
        about_text = (
            f"The class embeddings of a SoftCPT trained on the draw ({STEPS['steps_per_shot']} "
            f"steps per shot) in place of zero-shot's; draws: {args.text_seeds}. 'On other "
            f"tasks': a task's text is from a SoftCPT that never saw it ({FOLDS} folds of tasks)."
        )
        head = ["shots", "text", *TEXT_HEADS]
        parts += ["## Tuned text under the heads", about_text, table(head, rows)]
    return "\n\n".join(parts) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", default="emoji44", help="a data set of several tasks (emoji44)")
    parser.add_argument("--root", default="data", help="folder of data sets (data)")
    parser.add_argument("--backbone", default="tiny", help="as in train.py (tiny)")
    parser.add_argument("--output", default="output/sharing", help="folder (output/sharing)")
    parser.add_argument("--text-seeds", type=int, default=1, help="draws with tuned text; 0: none")
    args = parser.parse_args()
    clip = softcpt.load_clip(args.backbone)
    draws = {shots: [draw(clip, args, shots, seed) for seed in SEEDS] for shots in SHOTS}
    tasks = draws[SHOTS[0]][0].tasks
    gains = added(clip, draws)
    texts = under_heads(clip, draws, args.text_seeds) if args.text_seeds else []
    folder = Path(args.output)
    folder.mkdir(parents=True, exist_ok=True)
    sizes = {task.name: len(task.class_names) for task in tasks}
    rows = [
        [shots, pool, task, sizes[task], f"{value:.4f}"]
        for (shots, pool), values in gains.items()
        for task, value in values.items()
    ]
    head = ["shots", "tasks in the pool (0: TextGDA itself)", "task", "classes", "difference"]
    write_csv(folder / f"{args.data}-pools.csv", head, rows)
    if texts:
        write_csv(folder / f"{args.data}-text.csv", ["shots", "text", "head", "mean"], texts)
    text = page(args, tasks, gains, texts)
    (folder / f"{args.data}.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
