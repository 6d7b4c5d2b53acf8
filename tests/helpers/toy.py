"""A two-task data set of generated images and a tiny random CLIP; `python tests/helpers/toy.py
[train.py's flags]` trains on them."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from PIL import Image

TESTS = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TESTS.parent))

from softcpt import dassl

dassl.activate()
from dassl.data.datasets import DATASET_REGISTRY, DatasetBase, Datum

from softcpt.tasks import Task, TaskSet

WEIGHTS = TESTS / "golden" / "clip_weights.npz"
COLOURS = [(200, 40, 40), (40, 200, 40), (40, 40, 200), (220, 220, 220), (30, 30, 30)]
CONFIG = """
INPUT:
  SIZE: [32, 32]
  INTERPOLATION: bicubic
  TRANSFORMS: [random_resized_crop, random_flip, normalize]
OPTIM: {NAME: sgd, LR: 0.02, MAX_EPOCH: 5, LR_SCHEDULER: cosine,
  WARMUP_EPOCH: 1, WARMUP_TYPE: constant}
DATALOADER: {TRAIN_X: {BATCH_SIZE: 8}, TEST: {BATCH_SIZE: 10}, NUM_WORKERS: 0}
"""


class Toy(DatasetBase):
    """Squares of five colours with noise: three classes of one task, two of another."""

    dataset_dir = (
        "generated"  # so that `data list` does not take it for an embedded one and make it
    )

    def __init__(self, cfg):
        self.tasks = TaskSet(
            [
                Task("flower", ["rose", "tulip", "sunflower"]),
                Task("land use", ["Forest", "Sea or Lake"]),
            ]
        )
        folder = Path(cfg.DATASET.ROOT)
        parts = {"train_x": 8, "val": 2, "test": 6}
        super().__init__(
            **{part: self._images(folder, part, count) for part, count in parts.items()}
        )

    def _images(self, folder, part, count):
        generator = np.random.default_rng(len(part))
        items = []
        for label, colour in enumerate(COLOURS):
            for number in range(count):
                path = folder / f"{part}-{label}-{number}.png"
                noise = generator.integers(-30, 30, (32, 32, 3))
                if not path.exists():
                    Image.fromarray(
                        np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)
                    ).save(path)
                items.append(Datum(str(path), label, int(label > 2), self.tasks.class_names[label]))
        return items


if "Toy" not in DATASET_REGISTRY.registered_names():
    DATASET_REGISTRY.register(Toy)


def arguments(folder: Path, trainer: str, *more: str) -> list[str]:
    """Flags for train.py; data and outputs below ``folder``."""
    data = folder / "data"
    data.mkdir(parents=True, exist_ok=True)
    (folder / "toy-data.yaml").write_text("DATASET: {NAME: Toy}")
    (folder / "toy.yaml").write_text(CONFIG)
    return [
        "--trainer",
        trainer,
        "--root",
        str(data),
        "--dataset-config-file",
        str(folder / "toy-data.yaml"),
        "--config-file",
        str(folder / "toy.yaml"),
        "--backbone",
        str(WEIGHTS),
        *more,
    ]


if __name__ == "__main__":
    from softcpt.cli.train import main

    main(sys.argv[1:])
