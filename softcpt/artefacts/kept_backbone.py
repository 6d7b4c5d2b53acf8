"""The backbone of an artefact: what is kept of it, and how it is found again without a download."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from softcpt.clip.model import Clip, load_clip, weights_locations
from softcpt.errors import UserError


def describe_backbone(clip: Clip, folder: Path) -> dict[str, Any]:
    """What config.json has of a backbone.

    Args:
        clip: the backbone.
        folder: of the artefact, which the path of a weights file is relative to.
    """
    found: dict[str, Any] = {
        "name": clip.name,
        "architecture": clip.architecture,
        "weights": clip.fingerprint,
        "image_size": clip.image_size,
        "precision": clip.precision,
    }
    if clip.file is not None:
        found["file"] = os.path.relpath(clip.file, folder.absolute())
    return found


def find_backbone(
    folder: Path,
    kept: Mapping[str, Any],
    clip: Clip | str | os.PathLike[str] | None,
    device: str | torch.device | None,
    precision: str | None,
) -> Clip:
    """The backbone that ``kept`` describes.

    Args:
        folder: of the artefact.
        kept: what :func:`describe_backbone` gave.
        clip: one at hand, or its name or path; None: found by what is kept.
        device: for one that is loaded.
        precision: for one that is loaded; None: as in training.

    Raises:
        UserError: it is not on this machine, or its weights are others.
    """
    name, weights = str(kept.get("name", "")), str(kept.get("weights", ""))
    if not isinstance(clip, Clip):
        precision = precision or str(kept.get("precision", "fp32"))
        source = os.fspath(clip) if clip is not None else backbone_source(folder, kept)
        clip = load_clip(source, precision, device, may_download=False)
    if clip.fingerprint != weights:
        raise UserError(
            f"artefact {folder}: trained on {name} with weights {weights[:12]}, and this is "
            f"{clip.name} with weights {clip.fingerprint[:12]}; give the backbone that it was "
            "trained on"
        )
    return clip


def backbone_source(folder: Path, kept: Mapping[str, Any]) -> str:
    """The name or path that :func:`softcpt.load_clip` finds the backbone of ``kept`` by.

    Raises:
        UserError: it was loaded from a file, which is not where it was, or from memory.
    """
    name, hint = str(kept.get("name", "")), kept.get("file")
    give = "give it: load_prompt(FOLDER, clip=PATH), or predict --backbone PATH"
    if not isinstance(hint, str):
        if name == "state dict":
            raise UserError(
                f"artefact {folder}: trained on weights that were in memory only "
                f"({str(kept.get('weights', ''))[:12]}); {give}"
            )
        return name
    tried = [Path(os.path.normpath(folder / hint))]
    tried += [place / Path(hint).name for place in (folder, *weights_locations())]
    for path in tried:
        if path.exists():
            # open_clip's "<model>/<path>" names the architecture, which such files do not.
            model = name.partition("/")[0] if "/" in name else ""
            return f"{model}/{path}" if model else str(path)
    raise UserError(
        f"artefact {folder}: its backbone {Path(hint).name} is not on this machine (looked for "
        f"{', '.join(map(str, tried))}); {give}"
    )
