"""Three small tasks, in words and as a data set of generated images of which any part can be had; a
run on them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from softcpt import Task, TaskSet
from softcpt.cli import train
from softcpt.data.subsample import subsample
from softcpt.engine.trainer import PromptTrainer
from tests.helpers.equations import coop_classes, softcpt_classes
from tests.helpers.toy import DATASET_REGISTRY, DatasetBase, Datum, arguments

FRUIT = Task(
    "kinds of fruit", ["red apple", "red apple pie", "kiwi", "plum", "fig", "lime", "pear"]
)
SIGNS = Task("road_signs", ["stop sign", "yield", "no entry", "roundabout", "speed limit"])
BIRDS = Task("garden birds", ["robin", "blackbird", "great tit"])
TASKS = TaskSet([FRUIT, SIGNS, BIRDS])
ORACLES = {"SoftCPT": softcpt_classes, "CoOp": coop_classes}


def oracle(prompter, tasks: TaskSet, state: dict[str, torch.Tensor]) -> torch.Tensor:
    return F.normalize(
        ORACLES[type(prompter).__name__](prompter.clip, tasks, state, prompter.options), dim=-1
    )


def alike(a: torch.Tensor, b: torch.Tensor) -> bool:
    return torch.allclose(a, b, atol=1e-5)


class Parts(DatasetBase):
    """Squares of one colour per class: three tasks, any part of them."""

    dataset_dir = (
        "generated"  # so that `data list` does not take it for an embedded one and make it
    )

    tasks = TaskSet(
        [
            Task("flower", ["rose", "tulip", "sunflower"]),
            Task("land use", ["Forest", "Sea or Lake"]),
            Task("fruit", ["plum", "lime"]),
        ]
    )

    def __init__(self, cfg):
        folder, generator = Path(cfg.DATASET.ROOT), np.random.default_rng(0)
        parts = {"train": [], "test": []}
        for label, name in enumerate(self.tasks.class_names):
            path = folder / f"{type(self).__name__}-{label}.png"
            if not path.exists():
                Image.fromarray(generator.integers(0, 256, (32, 32, 3)).astype(np.uint8)).save(path)
            for part in parts.values():
                part += [Datum(str(path), label, self.tasks.to_local(label)[0], name)] * 3
        self.tasks, parts = subsample(
            self.tasks, parts, cfg.DATASET.SUBSAMPLE_CLASSES, cfg.DATASET.SUBSAMPLE_TASKS
        )
        super().__init__(train_x=parts["train"], test=parts["test"])


class Shifted(Parts):
    """One task of another name with classes of other names."""

    tasks = TaskSet([Task("flower drawings", ["rose", "tulip", "daisy", "poppy"])])


for dataset in (Parts, Shifted):
    if dataset.__name__ not in DATASET_REGISTRY.registered_names():
        DATASET_REGISTRY.register(dataset)


def run(folder: Path, trainer: str, out: str, *pairs: str, model: str = "") -> PromptTrainer:
    """Train one epoch, or test the prompt of ``model``; returns the trainer."""
    kept = []
    flags = ["--eval-only", "--model-dir", str(folder / model)] if model else []
    with pytest.MonkeyPatch.context() as patch:
        test = PromptTrainer.test
        patch.setattr(
            PromptTrainer, "test", lambda self, *args: kept.append(self) or test(self, *args)
        )
        train.main(
            arguments(
                folder,
                trainer,
                *flags,
                "--output-dir",
                str(folder / out),
                "DATASET.NAME",
                "Parts",
                "INPUT.TRANSFORMS",
                "['normalize']",
                "OPTIM.MAX_EPOCH",
                "1",
                *pairs,
            )
        )
    return kept[-1]
