"""Image tower and classifier as a ``.pt2`` file, which ``torch.export.load`` reads without this
library."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch.export import Dim, ExportedProgram

from softcpt.artefacts.exports import Exported, Source
from softcpt.artefacts.exports.description import description
from softcpt.artefacts.exports.image_classifier import (
    ImageClassifier,
    compare,
    example,
    image_classifier,
)
from softcpt.errors import UserError, reason_of
from softcpt.utils.files import atomic_write, file_for_torch

# The name of the text in the file that says what the classes are.
DESCRIPTION = "softcpt.json"
BATCH = {"images": {0: Dim("batch")}}


def write(source: Source, path: Path, model: str = "") -> Exported:
    """Write the file and compare it with the library.

    Raises:
        UserError: the method or its image tower cannot be traced.
    """
    refuse_model(model, "torch")
    module = image_classifier(source.method)
    program = _trace(module, source)
    with atomic_write(path) as temporary:
        with file_for_torch(temporary) as file, quiet():
            described = json.dumps(description(source), ensure_ascii=False)
            torch.export.save(program, file, extra_files={DESCRIPTION: described})
        with open(temporary, "rb") as file:
            read = torch.export.load(file).module()
        checked = compare(module, source.method, read, "torch.export")
    return Exported((path,), checked)


@torch.no_grad()
def _trace(module: ImageClassifier, source: Source) -> ExportedProgram:
    """The graph for any number of images."""
    with one_line(source, "torch"):
        return torch.export.export(
            module, (example(source.method),), dynamic_shapes=BATCH, strict=False
        )


@contextmanager
def one_line(source: Source, kind: str) -> Iterator[None]:
    """Say in one line that something cannot be traced; foreign image towers make torch raise nearly
    anything.

    Raises:
        UserError: it cannot.
    """
    try:
        yield
    except Exception as error:
        visual = source.clip.model.visual
        first = reason_of(error)
        raise UserError(
            f"{type(source.method).__name__} on '{source.clip.name}': torch cannot export it to "
            f"{kind} ({type(getattr(visual, 'trunk', visual)).__name__}: {type(error).__name__}: "
            f"{first}); export to classifier"
        ) from error


@contextmanager
def quiet() -> Iterator[None]:
    """Without the exporters' notices: what was written is compared in any case."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels):
            logger.setLevel(level)


def refuse_model(model: str, kind: str) -> None:
    """Refuse a name of another library's model where none is loaded."""
    if model:
        raise UserError(
            f"model {model!r}: {kind} files carry the image tower itself; give the name with "
            "open_clip or transformers only"
        )
