"""The class matrix as a safetensors file.

Tensors: ``weights`` (D, C) and ``bias`` (C,), zero where a method has none. What the columns mean,
the logit scale and the pre-processing are in the file's metadata.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save

from softcpt.artefacts.class_matrix import PROMPTED, ClassMatrix, class_matrix
from softcpt.artefacts.exports import Exported, Source
from softcpt.artefacts.exports.description import description
from softcpt.errors import UserError
from softcpt.utils.files import atomic_write


def write(source: Source, path: Path, model: str = "") -> Exported:
    """Write the matrix.

    Raises:
        UserError: the method has none, or a ``model`` is given.
    """
    if model:
        raise UserError(
            f"model {model!r}: a classifier file serves any program with this image tower; give "
            "the name with open_clip or transformers only"
        )
    return write_matrix(source, class_matrix(source.method), path)


def write_matrix(
    source: Source, matrix: ClassMatrix, path: Path, more: Mapping[str, str] | None = None
) -> Exported:
    """Write a method's matrix with ``more`` metadata."""
    bias = torch.zeros(len(matrix.class_names)) if matrix.bias is None else matrix.bias
    tensors = {"weights": matrix.weights, "bias": bias}
    metadata = {
        **description(source),
        "logit_scale": repr(matrix.logit_scale),
        "image_features": matrix.image_features,
        **(more or {}),
    }
    with atomic_write(path) as temporary:
        # save_file would make a file that others may not read.
        temporary.write_bytes(save(tensors, metadata))
    return Exported((path,))


def refuse_prompts(matrix: ClassMatrix, source: Source, library: str) -> None:
    """Refuse a method whose image tower is not the one that ``library`` has.

    Raises:
        UserError: the method prompts the image tower.
    """
    if matrix.image_features == PROMPTED:
        raise UserError(
            f"{type(source.method).__name__}: it prompts the image tower, and {library}'s has no "
            "place for the prompts; export it to onnx or torch"
        )
