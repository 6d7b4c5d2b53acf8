"""Reads study.json of an earlier study, to compare another reading of its tasks with its pairs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from softcpt.errors import UserError
from softcpt.study.matrix import Matrix
from softcpt.utils.text_files import read_json

STUDY_FILE = "study.json"


@dataclass(frozen=True)
class Earlier:
    """What an earlier study found.

    Attributes:
        place: its file.
        matrices: of its pairs.
        groups: that these suggested, by method.
    """

    place: Path
    matrices: Sequence[Matrix]
    groups: dict[str, list[list[int]]]


def read_earlier(place: Path, names: Sequence[str]) -> Earlier:
    """Read the study in a folder, or its study.json.

    Args:
        place: folder or file.
        names: of the tasks that it must be of, in their order.

    Raises:
        UserError: there is none, it is damaged, or of other tasks.
    """
    path = place / STUDY_FILE if place.is_dir() else place
    remedy = "give the folder of a study's report"
    tree = read_json(path, "study", remedy)
    try:
        tasks = list(tree["tasks"])
        matrices = [
            Matrix(
                str(matrix["method"]),
                str(matrix["reading"]),
                np.array(matrix["alone"], dtype=float),
                np.array(matrix["paired"], dtype=float),
            )
            for matrix in tree["matrices"]
        ]
        groups = {str(method): found["groups"] for method, found in tree["groups"].items()}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(f"study {path}: it is damaged ({error!r}); {remedy}") from error
    if tasks != list(names):
        raise UserError(
            f"study {path}: its tasks are {', '.join(map(str, tasks))}, and here they are "
            f"{', '.join(names)}; give a study of the same"
        )
    return Earlier(path, matrices, groups)
