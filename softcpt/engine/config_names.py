"""Reads the settings of a training configuration from its name, which says all that CoOp's,
SoftCPT's and MVLPT's published files differ in.

    <backbone>[_c<N>][_ep<E>][_batch<B>][_ctxv1]     "rn50_ep50", "vit_b16_c4_ep10_batch1_ctxv1"
    <backbone>_val                                   images alone, for features that are kept

============  ======================================================================
``_c<N>``     N context vectors
``_ep<E>``    E epochs; without it 200
``_batch<B>`` B images per step; without it 32
``_ctxv1``    a context that starts from "a photo of a"
============  ======================================================================

All other settings are those of ``configs/trainers/shared/clip.yaml``. A file of such a name wins.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

SHARED = "shared"  # the folder of what all trainers share, beside theirs

# Name -> CLIP's name of the architecture, and the side of its images in pixels.
BACKBONES = {
    "rn50": ("RN50", 224),
    "rn101": ("RN101", 224),
    "vit_b32": ("ViT-B/32", 224),
    "vit_b16": ("ViT-B/16", 224),
    "vit_l14": ("ViT-L/14", 224),
    "vit_l14_336": ("ViT-L/14@336px", 336),
}
_NAME = re.compile(
    rf"(?P<backbone>{'|'.join(BACKBONES)})"
    r"(?:(?P<val>_val)|(?:_c(?P<n_ctx>\d+))?(?:_ep(?P<epochs>\d+))?(?:_batch(?P<batch>\d+))?"
    r"(?P<words>_ctxv1)?)"
)
# The node of context options, where it is not the trainer's own. MVLPT's published files set CoOp's
# too, which that trainer does not read.
_CONTEXT_NODES = {"CoOpMT": "COOP", "MVLPT": "COOP"}


def settings_of_name(name: str, trainer: str) -> Mapping[str, Any] | None:
    """What a file ``configs/trainers/<trainer>/<name>.yaml`` would say; None: the name has another
    form, or speaks of a context where there is no trainer."""
    match = _NAME.fullmatch(name)
    if match is None or (trainer == SHARED and (match["n_ctx"] or match["words"])):
        return None
    backbone, side = BACKBONES[match["backbone"]]
    found: dict[str, Any] = {
        "_BASE_": f"../{SHARED}/{'clip_images' if match['val'] else 'clip'}.yaml",
        "MODEL": {"BACKBONE": {"NAME": backbone}},
        "INPUT": {"SIZE": [side, side]},
    }
    if match["val"]:
        batch = 16 if trainer == "LinearProbe" else 200
        found["DATALOADER"] = {"TRAIN_X": {"BATCH_SIZE": batch}, "TEST": {"BATCH_SIZE": batch}}
        return found
    if match["epochs"]:
        found["OPTIM"] = {"MAX_EPOCH": int(match["epochs"])}
    if match["batch"]:
        found["DATALOADER"] = {"TRAIN_X": {"BATCH_SIZE": int(match["batch"])}}
    context: dict[str, Any] = {}
    if match["n_ctx"]:
        context["N_CTX"] = int(match["n_ctx"])
    if match["words"]:
        context["CTX_INIT"] = "a photo of a"
    elif match["n_ctx"]:
        context["CTX_INIT"] = ""
    if context:
        found["TRAINER"] = {_CONTEXT_NODES.get(trainer, trainer.upper()): context}
    return found


def names_to_suggest() -> Iterator[str]:
    """The shortest names, for messages."""
    for backbone in BACKBONES:
        yield backbone
        yield f"{backbone}_ep50"
