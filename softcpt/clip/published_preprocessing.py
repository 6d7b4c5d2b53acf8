"""How images become the input of open_clip's models, as their configurations and tags say it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import open_clip
from open_clip.transform import PreprocessCfg, merge_preprocess_dict

from softcpt.clip.loaded_model import image_side
from softcpt.clip.preprocessing import Preprocessing
from softcpt.errors import UserError
from softcpt.utils.kinds import in_short

_KEYS = ("mean", "std", "interpolation", "resize_mode")


def as_preprocessing(settings: Mapping[str, Any], name: str) -> Preprocessing:
    """open_clip's settings as ours.

    Raises:
        UserError: images are not square, or resized in a way that is not supported; or a value is
            none.
    """
    mode = settings["resize_mode"]
    if mode not in ("shortest", "squash"):
        raise UserError(
            f"{name}: images resized by {in_short(mode)} are not supported; choose another model"
        )
    kept = {field.name: settings[field.name] for field in fields(Preprocessing)}
    kept["size"] = image_side(settings["size"], name)
    try:
        return Preprocessing(**kept)
    except UserError as error:
        raise UserError(f"{name}: {error}") from error


def of_file(model_name: str) -> dict[str, Any]:
    """What the published weights of an architecture have in common, for a file of weights, which
    says nothing of images; nothing where they differ, or there are none."""
    found = []
    for tag in open_clip.list_pretrained_tags_by_model(model_name):
        known = open_clip.get_pretrained_cfg(model_name, tag)
        found.append({key: known[key] for key in _KEYS if key in known})
    same = bool(found) and all(other == found[0] for other in found)
    return found[0] if same else {}


def of_name(name: str) -> Preprocessing | None:
    """The pre-processing of a model by its name, before it is loaded; None: it is no model of
    open_clip's, or its configuration cannot be read, which is said when it is loaded.

    Raises:
        UserError: as of :func:`as_preprocessing`.
    """
    try:
        found = _configuration(name)
        if found is None:
            return None
        model, images = found
        settings = merge_preprocess_dict(asdict(PreprocessCfg()), images)
        settings["size"] = model["vision_cfg"]["image_size"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError):
        return None
    return as_preprocessing(settings, name)


def _configuration(name: str) -> tuple[Mapping[str, Any], Mapping[str, Any]] | None:
    """What open_clip has of a model's architecture, and of its images."""
    folder = Path(name.removeprefix("local-dir:")).expanduser()
    if name.startswith("hf-hub:"):
        written = open_clip.factory._get_hf_config(name.removeprefix("hf-hub:"))
        return written["model_cfg"], written.get("preprocess_cfg", {})
    if (folder / "open_clip_config.json").is_file():
        written = json.loads((folder / "open_clip_config.json").read_text(encoding="utf-8"))
        return written["model_cfg"], written.get("preprocess_cfg", {})
    model_name, _, pretrained = name.partition("/")
    if not pretrained or Path(name).exists() or model_name not in open_clip.list_models():
        return None
    tag = open_clip.get_pretrained_cfg(model_name, pretrained)
    return open_clip.get_model_config(model_name), tag or of_file(model_name)
