"""Image tower and classifier as an ONNX file: input ``images`` (batch, 3, H, W), output ``logits``
(batch, C). What the classes are is in the model's metadata."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from softcpt.artefacts.exports import Exported, Source
from softcpt.artefacts.exports.description import description
from softcpt.artefacts.exports.image_classifier import (
    ImageClassifier,
    compare,
    example,
    image_classifier,
)
from softcpt.artefacts.exports.torch_file import BATCH, one_line, quiet, refuse_model
from softcpt.errors import UserError
from softcpt.utils.files import atomic_write

_LIMIT = 2**31 - 2**20  # bytes: a file of protocol buffers holds 2 GiB


def write(source: Source, path: Path, model: str = "") -> Exported:
    """Write the file and compare onnxruntime's logits with the library's.

    Raises:
        UserError: the method or its image tower cannot be traced, has more than 2 GB, or ``onnx``,
            ``onnxscript`` or ``onnxruntime`` is not installed.
    """
    refuse_model(model, "onnx")
    missing = [
        name
        for name in ("onnx", "onnxscript", "onnxruntime")
        if importlib.util.find_spec(name) is None
    ]
    if missing:
        raise UserError(
            f"export to onnx: {', '.join(missing)} not installed; pip install {' '.join(missing)}"
        )
    module = image_classifier(source.method)
    size = sum(t.numel() * t.element_size() for t in module.state_dict().values())
    if size > _LIMIT:
        raise UserError(
            f"backbone '{source.clip.name}': its image tower has {size / 1e9:.1f} GB, and an ONNX "
            "file holds 2; export to torch"
        )
    program = _program(module, source)
    program.model.metadata_props.update(description(source))
    with atomic_write(path) as temporary:
        program.save(str(temporary), external_data=False)
        checked = compare(module, source.method, _runtime(temporary), "ONNX")
    return Exported((path,), checked)


@torch.no_grad()
def _program(module: ImageClassifier, source: Source) -> Any:
    """The ONNX program that torch makes."""
    with quiet(), one_line(source, "onnx"):
        return torch.onnx.export(
            module,
            (example(source.method),),
            input_names=["images"],
            output_names=["logits"],
            dynamic_shapes=BATCH,
            dynamo=True,
            verbose=False,
        )


def _runtime(path: Path) -> Callable[[Tensor], Any]:
    """The runtime on the CPU, as a function of images."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return lambda images: session.run(["logits"], {"images": images.numpy()})[0]
