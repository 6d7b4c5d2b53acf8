"""A toy data set and a toy trainer, as a project built on Dassl would write them.

All tests here hold for the built-in engine and for an installed, repaired Dassl.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import softcpt.dassl

softcpt.dassl.activate()

from dassl.config import get_cfg_default
from dassl.data.datasets import DATASET_REGISTRY, DatasetBase, Datum
from dassl.engine import TRAINER_REGISTRY, TrainerX, TrainerXU
from dassl.metrics import compute_accuracy
from dassl.optim import build_lr_scheduler, build_optimizer

CLASSES = ["red", "green", "blue"]


def draw_images(folder: Path, split: str, per_class: int) -> list[Datum]:
    """Noisy images, classes by colour, domains alternating."""
    noise = np.random.default_rng(len(split))
    items = []
    for label, name in enumerate(CLASSES):
        for number in range(per_class):
            pixels = noise.integers(0, 120, (12, 12, 3), dtype=np.uint8)
            pixels[..., label] += 60
            path = folder / f"{split}_{name}_{number}.png"
            Image.fromarray(pixels).save(path)
            items.append(Datum(str(path), label, number % 2, name))
    return items


@DATASET_REGISTRY.register()
class Colours(DatasetBase):
    """Three classes in two domains."""

    dataset_dir = (
        "generated"  # so that `data list` does not take it for an embedded one and make it
    )

    domains = ("even", "odd")

    def __init__(self, cfg):
        folder = Path(cfg.DATASET.ROOT)
        super().__init__(
            train_x=draw_images(folder, "train", 6),
            train_u=draw_images(folder, "more", 4),
            val=draw_images(folder, "val", 2),
            test=draw_images(folder, "test", 4),
        )


class _Linear:
    """What the two toy trainers share."""

    def build_model(self):
        self.model = torch.nn.Linear(3 * 8 * 8, self.num_classes)
        self.optim = build_optimizer(self.model, self.cfg.OPTIM)
        self.sched = build_lr_scheduler(self.optim, self.cfg.OPTIM)
        self.register_model("linear", self.model, self.optim, self.sched)
        self.rates = []

    def model_inference(self, input):  # noqa: A002  Dassl's name
        return self.model(input.flatten(1))

    def learn(self, image, label):
        self.rates.append(self.get_current_lr())
        logits = self.model_inference(image)
        loss = torch.nn.functional.cross_entropy(logits, label)
        self.model_backward_and_update(loss)
        if self.batch_idx + 1 == self.num_batches:
            self.update_lr()
        return {"loss": loss.item(), "acc": compute_accuracy(logits, label)[0].item()}


@TRAINER_REGISTRY.register()
class LinearX(_Linear, TrainerX):
    """Learns colours."""

    def forward_backward(self, batch):
        image, label, _ = self.parse_batch_train(batch)
        return self.learn(image, label)


@TRAINER_REGISTRY.register()
class LinearXU(_Linear, TrainerXU):
    """Learns colours, and counts the unlabelled images."""

    seen = 0

    def forward_backward(self, batch_x, batch_u):
        image, label, unlabelled = self.parse_batch_train(batch_x, batch_u)
        self.seen += len(unlabelled)
        return self.learn(image, label)


@pytest.fixture
def cfg(tmp_path):
    """A configuration that trains the toy in a second."""
    (tmp_path / "data").mkdir()
    cfg = get_cfg_default()
    cfg.merge_from_list([
        "DATASET.ROOT", str(tmp_path / "data"), "DATASET.NAME", "Colours",
        "OUTPUT_DIR", str(tmp_path / "out"),
        "INPUT.SIZE", (8, 8), "INPUT.TRANSFORMS", ("random_flip", "normalize"),
        "DATALOADER.NUM_WORKERS", 0, "DATALOADER.TRAIN_X.BATCH_SIZE", 4,
        "DATALOADER.TEST.BATCH_SIZE", 5,
        "OPTIM.NAME", "sgd", "OPTIM.LR", 0.002, "OPTIM.MAX_EPOCH", 4,
        "OPTIM.LR_SCHEDULER", "cosine", "OPTIM.WARMUP_EPOCH", 1, "OPTIM.WARMUP_TYPE", "constant",
        "TRAINER.NAME", "LinearX", "USE_CUDA", False,
    ])  # fmt: skip
    return cfg
