"""What the model can do without tuning: accuracy on Emoji-44's designs, and on Caltech101 if a
folder is given."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from open_clip.tokenizer import SimpleTokenizer
from PIL import Image
from tiny.pictures import to_input
from tiny.towers import IMAGE_SIZE
from torch import Tensor, nn
from torchvision.transforms import v2

from softcpt.errors import UserError

TEMPLATES = ("an emoji of a {}.", "a photo of a {}.")


@dataclass
class Split:
    """Images of one design and the classes to tell apart: features (N, D), global labels (N,),
    classes per task."""

    features: Tensor
    labels: Tensor
    tasks: list[list[str]]


@torch.inference_mode()
def encode_images(model: nn.Module, images: list[Image.Image]) -> Tensor:
    """Unit features (N, D), each image enlarged or reduced to the model's input, shorter side
    first, and cropped."""
    resize = v2.Compose(
        [
            v2.Resize(IMAGE_SIZE, interpolation=v2.InterpolationMode.BICUBIC),
            v2.CenterCrop(IMAGE_SIZE),
        ]
    )
    features = []
    for start in range(0, len(images), 64):
        pixels = np.stack(
            [np.asarray(resize(image.convert("RGB"))) for image in images[start : start + 64]]
        )
        features.append(model.encode_image(to_input(torch.from_numpy(pixels)), normalize=True))
    return torch.cat(features)


@torch.inference_mode()
def encode_texts(model: nn.Module, texts: list[str]) -> Tensor:
    """Unit features (N, D)."""
    rows = SimpleTokenizer()(texts)
    return torch.cat([model.encode_text(part, normalize=True) for part in rows.split(128)])


def read_designs(model: nn.Module, archive: Path, part: str) -> dict[str, Split]:
    """The designs of one part (``train``, ``val``, ``test``) of the Emoji-44 archive, as features.

    Raises:
        UserError: the archive is not there.
    """
    if not archive.exists():
        raise UserError(f"{archive}: not found; build it first with python tools/build_emoji44.py")
    with zipfile.ZipFile(archive) as package:
        index = json.loads(package.read("emoji44.json"))
        tasks = [task["classes"] for task in index["tasks"]]
        by_design: dict[str, list] = {}
        for path, label, _ in index["images"][part]:
            by_design.setdefault(path.split("/")[0], []).append((path, label))
        splits = {}
        for design, items in by_design.items():
            images = [Image.open(io.BytesIO(package.read(path))) for path, _ in items]
            splits[design] = Split(
                encode_images(model, images), torch.tensor([label for _, label in items]), tasks
            )
    return splits


def task_logits(model: nn.Module, split: Split, template: str) -> list[tuple[Tensor, Tensor]]:
    """Per task: cosines (n, C) of its images and classes, and the right classes (n,)."""
    names = encode_texts(model, [template.format(name) for task in split.tasks for name in task])
    results, first = [], 0
    for task in split.tasks:
        mine = (split.labels >= first) & (split.labels < first + len(task))
        if mine.any():
            cosines = split.features[mine] @ names[first : first + len(task)].T
            results.append((cosines, split.labels[mine] - first))
        first += len(task)
    return results


def accuracy(model: nn.Module, split: Split, template: str) -> float:
    """Mean over tasks of the share of images named rightly, in percent."""
    shares = [
        (cosines.argmax(1) == right).float().mean()
        for cosines, right in task_logits(model, split, template)
    ]
    return 100 * torch.stack(shares).mean().item()


def best_scale(model: nn.Module, splits: list[Split], template: str) -> float:
    """The logit scale of the highest likelihood, averaged over tasks, among 5, 6, ..., 60."""
    pairs = [pair for split in splits for pair in task_logits(model, split, template)]
    losses = {
        scale: sum(F.cross_entropy(scale * cosines, right).item() for cosines, right in pairs)
        for scale in range(5, 61)
    }
    return float(min(losses, key=losses.get))


def caltech101(model: nn.Module, folder: Path, per_class: int = 10) -> float:
    """Accuracy in percent on the first images of each class folder; faces and background are left
    out as in CoOp."""
    left_out = {"BACKGROUND_Google", "Faces_easy"}
    classes = sorted(
        path for path in folder.iterdir() if path.is_dir() and path.name not in left_out
    )
    if not classes:
        raise UserError(f"{folder}: no class folders; give the folder 101_ObjectCategories")
    texts = [f"a photo of a {path.name.replace('_', ' ').lower()}." for path in classes]
    files = [
        (file, label)
        for label, path in enumerate(classes)
        for file in sorted(path.glob("*.jpg"))[:per_class]
    ]
    features = encode_images(model, [Image.open(file) for file, _ in files])
    found = (features @ encode_texts(model, texts).T).argmax(1)
    return 100 * (found == torch.tensor([label for _, label in files])).float().mean().item()


@torch.inference_mode()
def mean_text_norm(model: nn.Module, tasks: list[list[str]]) -> float:
    """The mean norm of raw text features over all class names in the first template."""
    rows = SimpleTokenizer()([TEMPLATES[0].format(name) for task in tasks for name in task])
    return (
        torch.cat([model.encode_text(part) for part in rows.split(128)]).norm(dim=1).mean().item()
    )
