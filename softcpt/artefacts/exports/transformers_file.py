"""The class matrix for a program that uses transformers.

The file is a classifier file that also says ``model``, with which ``CLIPModel.from_pretrained``
loads the backbone.
"""

from __future__ import annotations

from pathlib import Path

from open_clip.transformer import VisionTransformer

from softcpt.artefacts.card_front import OPENAI_REPOSITORIES, hub_repository
from softcpt.artefacts.class_matrix import class_matrix
from softcpt.artefacts.exports import Exported, Source
from softcpt.artefacts.exports.classifier_file import refuse_prompts, write_matrix
from softcpt.clip.model import Clip
from softcpt.errors import UserError


def write(source: Source, path: Path, model: str = "") -> Exported:
    """Write the file.

    Raises:
        UserError: the method has no class matrix or prompts the image tower, or transformers has no
            such backbone or its name there is not known and not given.
    """
    matrix = class_matrix(source.method)
    refuse_prompts(matrix, source, "transformers")
    return write_matrix(source, matrix, path, {"model": _repository(source.clip, model)})


def _repository(clip: Clip, given: str) -> str:
    visual = clip.model.visual
    if not isinstance(visual, VisionTransformer) or visual.pool_type != "tok":
        kind = type(getattr(visual, "trunk", visual)).__name__
        raise UserError(
            f"backbone '{clip.name}': transformers' CLIPModel has no image tower like it ({kind}); "
            "export to onnx, torch or open_clip"
        )
    if given or clip.name in OPENAI_REPOSITORIES:
        return given or OPENAI_REPOSITORIES[clip.name]
    repository = hub_repository(clip.name)
    # LAION's repositories hold the weights for both libraries.
    if repository.startswith("laion/CLIP-ViT"):
        return repository
    raise UserError(
        f"backbone '{clip.name}': its name in transformers is not known; give a repository or "
        'folder with --model (model="..." in Python), or export to classifier'
    )
