"""Lists the twenty target tasks of ELEVATER, which MVLPT is evaluated on (arXiv 2204.08790).

A task is known here by the key that ELEVATER gives it, too: ``--dataset cifar-10,mnist``. Class
names and templates are in ``softcpt/assets/elevater/classes.json``, from CLIP's published prompt
list.
"""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any, NamedTuple

_FILE = Path(__file__).parent.parent / "assets" / "elevater" / "classes.json"


class ElevaterTask(NamedTuple):
    """A task of ELEVATER.

    Attributes:
        key: ELEVATER's name.
        name: of the registered data set.
        classes: how many.
        metric: of :class:`softcpt.tasks.Task`.
        sizes: images for training, validation and test; 0 where nobody set validation images apart.
        task: the task's name.
        coop: whether its images are those of one of CoOp's data sets, from which source prompts
            are trained.
    """

    key: str
    name: str
    classes: int
    metric: str
    sizes: tuple[int, int, int]
    task: str
    coop: bool = False


# In the order of the published joint label space: by key.
ELEVATER_TASKS = (
    ElevaterTask(
        "caltech-101",
        "ElevaterCaltech101",
        102,
        "mean_per_class",
        (3060, 0, 6084),
        "object image classification",
        True,
    ),
    ElevaterTask(
        "cifar-10",
        "CIFAR10",
        10,
        "accuracy",
        (50000, 0, 10000),
        "small object image classification",
    ),
    ElevaterTask(
        "cifar-100",
        "CIFAR100",
        100,
        "accuracy",
        (50000, 0, 10000),
        "small fine-grained object image classification",
    ),
    ElevaterTask(
        "country211",
        "Country211",
        211,
        "accuracy",
        (31650, 10550, 21100),
        "country of a photo classification",
    ),
    ElevaterTask(
        "dtd",
        "ElevaterDTD",
        47,
        "accuracy",
        (1880, 1880, 1880),
        "texture image classification",
        True,
    ),
    ElevaterTask(
        "eurosat_clip",
        "ElevaterEuroSAT",
        10,
        "accuracy",
        (5000, 5000, 5000),
        "satellite land use image classification",
        True,
    ),
    ElevaterTask(
        "fer-2013", "FER2013", 7, "accuracy", (28709, 3589, 3589), "facial emotion classification"
    ),
    ElevaterTask(
        "fgvc-aircraft-2013b-variants102",
        "ElevaterFGVCAircraft",
        100,
        "mean_per_class",
        (3334, 3333, 3333),
        "aircraft image classification",
        True,
    ),
    ElevaterTask(
        "food-101",
        "ElevaterFood101",
        101,
        "accuracy",
        (75750, 0, 25250),
        "food image classification",
        True,
    ),
    ElevaterTask(
        "gtsrb", "GTSRB", 43, "accuracy", (26640, 12569, 12630), "traffic sign classification"
    ),
    ElevaterTask(
        "hateful-memes",
        "HatefulMemes",
        2,
        "accuracy",
        (8500, 0, 500),
        "hateful meme classification",
    ),
    ElevaterTask(
        "kitti-distance",
        "KITTIDistance",
        4,
        "accuracy",
        (6347, 423, 711),
        "vehicle distance classification",
    ),
    ElevaterTask(
        "mnist", "MNIST", 10, "accuracy", (60000, 0, 10000), "handwritten digit classification"
    ),
    ElevaterTask(
        "oxford-flower-102",
        "ElevaterFlowers102",
        102,
        "mean_per_class",
        (1020, 1020, 6149),
        "flower image classification",
        True,
    ),
    ElevaterTask(
        "oxford-iiit-pets",
        "ElevaterPets",
        37,
        "mean_per_class",
        (3680, 0, 3669),
        "pet image classification",
        True,
    ),
    ElevaterTask(
        "patch-camelyon",
        "PatchCamelyon",
        2,
        "accuracy",
        (262144, 32768, 32768),
        "lymph node tissue classification",
    ),
    ElevaterTask(
        "rendered-sst2",
        "RenderedSST2",
        2,
        "accuracy",
        (6920, 827, 1821),
        "written movie review classification",
    ),
    ElevaterTask(
        "resisc45_clip",
        "ElevaterRESISC45",
        45,
        "accuracy",
        (3150, 3150, 25200),
        "remote sensing scene image classification",
    ),
    ElevaterTask(
        "stanford-cars",
        "ElevaterCars",
        196,
        "accuracy",
        (8144, 0, 8041),
        "car image classification",
        True,
    ),
    ElevaterTask(
        "voc-2007-classification",
        "VOC2007",
        20,
        "map11",
        (2501, 2510, 4952),
        "objects in a scene classification",
    ),
)
_BY_KEY = {task.key: task for task in ELEVATER_TASKS}


def elevater_task(key: str) -> ElevaterTask | None:
    """The task of that key; None: there is none."""
    return _BY_KEY.get(key.lower())


def class_names(key: str) -> dict[str, str]:
    """Class name, in label order, by what the publisher calls the class: a folder's name, a line's
    word, a number."""
    return dict(_published()[key]["classes"])


def template(key: str) -> str:
    """CLIP's first prompt for the task, with {} for the class name."""
    return str(_published()[key]["template"])


@functools.cache
def _published() -> dict[str, dict[str, Any]]:
    tasks: dict[str, dict[str, Any]] = json.loads(_FILE.read_text(encoding="utf-8"))["tasks"]
    return tasks
