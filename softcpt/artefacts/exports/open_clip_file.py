"""The class matrix for a program that uses open_clip.

The file is a classifier file that also says ``model`` and ``pretrained``, with which
``open_clip.create_model`` makes the backbone. The embedded model, which open_clip does not know, is
written beside it as a folder that open_clip reads.
"""

from __future__ import annotations

import os
from pathlib import Path

import open_clip
from open_clip.transformer import QuickGELU
from safetensors.torch import save

from softcpt.artefacts.class_matrix import class_matrix
from softcpt.artefacts.exports import Exported, Source
from softcpt.artefacts.exports.classifier_file import refuse_prompts, write_matrix
from softcpt.artefacts.exports.description import described
from softcpt.clip.loading import TINY, folder_config_and_weights
from softcpt.clip.model import Clip
from softcpt.clip.open_clip_models import LOCAL, SCHEMAS, is_open_clip_folder
from softcpt.clip.weights import OPENAI_WEIGHTS
from softcpt.errors import UserError
from softcpt.utils.files import atomic_write, write_json


def write(source: Source, path: Path, model: str = "") -> Exported:
    """Write the file.

    Raises:
        UserError: the method has no class matrix or prompts the image tower, or open_clip's name of
            the backbone is not known and not given.
    """
    matrix, clip = class_matrix(source.method), source.clip
    refuse_prompts(matrix, source, "open_clip")
    folder = None
    if clip.name == "tiny" and not model:
        folder = path.with_name(f"{path.stem}-backbone")
        _write_tiny(source, folder)
        name, weights = f"local-dir:{folder.name}", ""
    else:
        name, weights = _names(clip, model, path.parent)
    written = write_matrix(source, matrix, path, {"model": name, "pretrained": weights})
    return written if folder is None else Exported((*written.files, folder))


def _names(clip: Clip, given: str, folder: Path) -> tuple[str, str]:
    """(model, weights) as open_clip calls them, weights "" where the model's name says all; a file
    of weights is said relative to ``folder``."""
    name = given or clip.name
    if not given and clip.file is not None and is_open_clip_folder(clip.file):
        return f"{LOCAL}{os.path.relpath(clip.file, folder.absolute())}", ""
    if name.startswith(SCHEMAS):
        return name, ""
    if name in OPENAI_WEIGHTS:
        return _model(clip, name), "openai"
    model, _, weights = name.partition("/")
    file = None if given else clip.file
    known = bool(weights) and model in open_clip.list_models()
    if not known and file is not None and clip.architecture:  # OpenAI's format
        known, model, weights = True, clip.architecture, str(file)
    if known:
        weights = weights if file is None else os.path.relpath(file, folder.absolute())
        return _model(clip, model), weights
    raise UserError(
        f"backbone '{name}': open_clip has no such model and weights; give what it calls them with "
        '--model (model="..." in Python), such as ViT-B-32/laion2b_s34b_b79k or ViT-B-16/my.pt, or '
        "export to classifier"
    )


def _model(clip: Clip, name: str) -> str:
    """The name of open_clip's model with the architecture ``name`` and the clip's activation."""
    name = name.replace("/", "-").replace("@336px", "-336")
    quick = any(isinstance(module, QuickGELU) for module in clip.model.modules())
    also = f"{name}-quickgelu"
    return also if quick and also in open_clip.list_models() else name


def _write_tiny(source: Source, folder: Path) -> None:
    """Write the embedded model as a folder for open_clip."""
    config, weights = folder_config_and_weights(TINY)
    with atomic_write(folder / "open_clip_model.safetensors") as temporary:
        temporary.write_bytes(save(weights))
    settings = {
        "model_cfg": config["model_cfg"],
        "preprocess_cfg": described(source.preprocessing),
    }
    write_json(folder / "open_clip_config.json", settings)
