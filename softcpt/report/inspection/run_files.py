"""What the run beside an artefact wrote: figures of every class, and a prediction for every
image."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from softcpt.artefacts.adapted import AdaptedClip
from softcpt.engine.config_text import text_leaves
from softcpt.engine.predictions import PREDICTIONS_FILE
from softcpt.engine.results_file import RESULTS_FILE, read_results
from softcpt.errors import UserError, reason_of
from softcpt.utils.archives import read_npz
from softcpt.utils.files import cache_folder


@dataclass(frozen=True)
class Predictions:
    """What predictions.npz says of N images; see docs/results.md.

    Attributes:
        split: "test" or "val".
        methods, classes: names.
        task_of_class: (C,).
        path: (N,) below the root of the data.
        label: (N, K) classes of each image, then -1.
        best: (M, N) the class predicted.
        probability: (M, N) of that class.
    """

    split: str
    methods: list[str]
    classes: list[str]
    task_of_class: NDArray[np.int32]
    path: list[str]
    label: NDArray[np.int32]
    best: NDArray[np.int32]
    probability: NDArray[np.float32]

    def right(self, method: str) -> NDArray[np.bool_]:
        """(N,) whether the class predicted is one of the image's."""
        best = self.best[self.methods.index(method)]
        found: NDArray[np.bool_] = (best[:, None] == self.label).any(axis=1)
        return found


@dataclass(frozen=True)
class RunFiles:
    """Of one run.

    Attributes:
        folder: of the run.
        results: results.json.
        predictions: None where there are none; ``why`` then says why.
    """

    folder: Path
    results: dict[str, Any]
    predictions: Predictions | None
    why: str = ""

    def figures(self, method: str) -> dict[str, dict[str, Any]]:
        """Task -> what results.json has of it; empty where the method was not measured."""
        return {task["name"]: task for task in self.results["tasks"].get(method, [])}


def find_run(artefact: Path, adapted: AdaptedClip, given: Path | None) -> RunFiles | str:
    """The run that made an artefact, or one line that says why it is not there.

    Args:
        artefact: folder of the artefact; a run keeps its own in a folder of its output folder.
        adapted: what is in it.
        given: the run's folder, where the artefact was moved away from it.

    Raises:
        UserError: there is no run in ``given``, or it is of another prompt.
    """
    folder = given or artefact.resolve().parent
    try:
        results = read_results(folder / RESULTS_FILE)
        problem = _differs(results, adapted)
    except FileNotFoundError:
        problem = f"no run beside the artefact (no {RESULTS_FILE} in {folder}); --run names one"
    except UserError as error:
        problem = str(error)
    except OSError as error:
        problem = f"{folder / RESULTS_FILE}: cannot be read ({reason_of(error)})"
    if problem and given:
        raise UserError(f"--run {given}: {problem}; give the run that left the artefact")
    if problem:
        return problem
    predictions = _predictions(folder, adapted)
    if isinstance(predictions, str):
        return RunFiles(folder, results, None, predictions)
    return RunFiles(folder, results, predictions)


def _differs(results: Any, adapted: AdaptedClip) -> str:
    """In what the run is of another prompt; "" if it is not."""
    if "tasks" not in results:
        return f"{RESULTS_FILE} is not a run's"
    if results.get("method") != adapted.method_name:
        return f"the run is of {results.get('method')}, the artefact of {adapted.method_name}"
    if not isinstance(results.get("class_names"), dict):
        return f"{RESULTS_FILE} is of an older version, which kept no figures of classes"
    tested = {task: tuple(map(str, names or ())) for task, names in results["class_names"].items()}
    if tested != {task.name: task.class_names for task in adapted.tasks}:
        return "the run tested other tasks or classes than the artefact has"
    return ""


def _predictions(folder: Path, adapted: AdaptedClip) -> Predictions | str:
    path = folder / PREDICTIONS_FILE
    if not path.is_file():
        return f"the run left no {PREDICTIONS_FILE} (TEST.PREDICTIONS on writes it)"
    try:
        found = _checked(read_npz(path))
    except Exception as error:  # noqa: BLE001 - damaged archives make numpy raise nearly any
        return f"{path}: damaged ({reason_of(error)}); test again"
    if found.classes != list(adapted.tasks.class_names):
        return f"{path}: of other classes than the artefact has; test again"
    return found


def _checked(file: Mapping[str, NDArray[Any]]) -> Predictions:
    """predictions.npz as docs/results.md describes it. Raises ValueError where it is not so."""
    best, probability = file["top5"], file["probability"]
    methods, classes, paths = (file[name].tolist() for name in ("methods", "classes", "path"))
    shape, count = (len(methods), len(paths)), len(classes)
    fits = best.ndim == 3 and best.shape[:2] == shape and best.shape == probability.shape
    if not fits or file["label"].ndim != 2 or len(file["label"]) != len(paths):
        raise ValueError("its arrays do not belong together")
    if len(file["task_of_class"]) != count or not all(map(_is_text, (methods, classes, paths))):
        raise ValueError("its names are not those of methods, classes and images")
    for name, numbers in (("label", file["label"]), ("top5", best)):
        if numbers.dtype.kind != "i" or (numbers.size and numbers.max() >= count):
            raise ValueError(f"its {name} has numbers that are no classes")
    return Predictions(
        str(file["split"]),
        methods,
        classes,
        file["task_of_class"],
        paths,
        file["label"],
        best[:, :, 0],
        probability[:, :, 0],
    )


def _is_text(names: Any) -> bool:
    return isinstance(names, list) and all(isinstance(name, str) for name in names)


def image_finder(run: RunFiles, root: Path | None) -> Path | None:
    """The folder below which the images of a run lie; None: they are not on this machine."""
    if run.predictions is None or not run.predictions.path:
        return None
    first = run.predictions.path[0]
    return next((place for place in _roots(run, root) if (place / first).is_file()), None)


def _roots(run: RunFiles, root: Path | None) -> Iterator[Path]:
    if root:
        yield root
        return
    config = text_leaves(str(run.results.get("config", "")))
    yield Path(config.get("DATASET.ROOT") or ".").expanduser()
    # Embedded benchmarks are unpacked there.
    yield from sorted(path for path in cache_folder().glob("*") if path.is_dir())
