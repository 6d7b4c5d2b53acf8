"""Writing the model: half-precision weights, a json that says how to load them and what they are, a
card, licences."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from tiny.pictures import DESIGNS
from tiny.sources import SOURCES
from tiny.towers import IMAGE_MEAN, IMAGE_SIZE, IMAGE_STD, MODEL_CFG, TextTraining
from torch import Tensor

from softcpt.utils.files import atomic_write, write_json

TEXT_NORM = 10.0  # of raw text features, as CLIP's: generators of contexts take them as inputs
TABLE = "token_embedding.weight"
LICENCES = Path(__file__).with_name("licences")
CARD = Path(__file__).with_name("card.md")


@torch.no_grad()
def finish(text: TextTraining, norm: float, logit_scale: float) -> dict[str, Tensor]:
    """Scale and round the trained model in place to what will be stored; return the stored tensors.

    ``norm``: the raw text features' present mean norm. The token table is stored as its two factors
    ``<key>.left`` (V, 64) and ``<key>.right`` (64, W).
    """
    clip = text.clip
    clip.text_projection.mul_(TEXT_NORM / norm)
    clip.logit_scale.fill_(logit_scale)
    factors = [factor.half() for factor in text.factors()]
    state = {
        key: value.half() if value.is_floating_point() else value
        for key, value in clip.state_dict().items()
    }
    clip.load_state_dict(state)
    clip.token_embedding.weight.copy_(factors[0].float() @ factors[1].float())
    del state[TABLE]
    state |= {f"{TABLE}.left": factors[0], f"{TABLE}.right": factors[1]}
    return {key: value.contiguous() for key, value in state.items()}


def description(measured: dict[str, Any], recipe: dict[str, Any]) -> dict[str, Any]:
    """The content of ``tiny.json``."""
    return {
        "name": "tiny",
        "what": "a small two-tower image-text model with CLIP's interface; it is not CLIP",
        "model_cfg": MODEL_CFG,
        "preprocess": {
            "size": IMAGE_SIZE,
            "mean": [IMAGE_MEAN] * 3,
            "std": [IMAGE_STD] * 3,
            "interpolation": "bicubic",
        },
        "license": "Apache-2.0",
        "sources": [
            {
                "name": s.name,
                "version": s.version,
                "from": s.index,
                "license": s.licence,
                "what": s.what,
            }
            for s in SOURCES.values()
        ]
        + [
            {
                "name": name,
                "license": "MIT",
                "what": "Fluent emoji art (Microsoft Corporation): training pictures",
            }
            for name in DESIGNS
        ]
        + [
            {
                "name": "emojibase-data",
                "license": "MIT",
                "what": "names and keywords of emoji (Unicode CLDR)",
            }
        ],
        "zero_shot": measured,
        "recipe": recipe,
    }


def write(folder: Path, state: dict[str, Tensor], facts: dict[str, Any]) -> None:
    """Write ``tiny.safetensors``, ``tiny.json``, ``README.md`` and ``LICENSES/`` into
    ``folder``."""
    with atomic_write(folder / "tiny.safetensors") as temporary:
        save_file(state, temporary)
        temporary.chmod(0o644)  # safetensors writes files that only their owner may read
    write_json(folder / "tiny.json", facts)
    with atomic_write(folder / "README.md") as temporary:
        table = "\n".join(f"| {what} | {value:.1f} |" for what, value in rows(facts["zero_shot"]))
        size = (folder / "tiny.safetensors").stat().st_size / 1e6
        card = (
            CARD.read_text(encoding="utf-8")
            .replace("@@ACCURACY@@", table)
            .replace("@@SIZE@@", f"{size:.0f}")
        )
        temporary.write_text(card, encoding="utf-8")
    for licence in sorted(LICENCES.iterdir()):
        with atomic_write(folder / "LICENSES" / licence.name) as temporary:
            shutil.copyfile(licence, temporary)


def rows(measured: dict[str, Any]) -> list[tuple[str, float]]:
    """Measured accuracies as rows of the card's table."""
    result = [
        (f'Emoji-44, {part}, design `{design}`, "{template}"', value)
        for part, templates in measured["emoji44"].items()
        for template, designs in templates.items()
        for design, value in designs.items()
    ]
    if "caltech101" in measured:
        result.append(
            ('Caltech101, first 10 images per class, "a photo of a {}."', measured["caltech101"])
        )
    return result
