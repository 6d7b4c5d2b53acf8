"""What was learned, in forms that other programs read: one module per kind of file."""

from __future__ import annotations

import importlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from softcpt.errors import UserError

if TYPE_CHECKING:
    from softcpt.clip.model import Clip
    from softcpt.clip.preprocessing import Preprocessing
    from softcpt.prompters.classifier import TaskClassifier

# Kind -> (module with write(source, path, model) -> Exported, what it writes).
KINDS = {
    "classifier": ("classifier_file", "the class matrix, as safetensors"),
    "open_clip": ("open_clip_file", "the class matrix, and what open_clip calls the backbone"),
    "transformers": (
        "transformers_file",
        "the class matrix, and what transformers calls the backbone",
    ),
    "onnx": ("onnx_file", "image tower and classifier, as ONNX"),
    "torch": ("torch_file", "image tower and classifier, as torch.export saves them"),
}


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes:
        files: the file that was asked for, and a folder beside it if it needs one.
        checked: how what was written compares with the library; "": there is nothing to compare.
    """

    files: tuple[Path, ...]
    checked: str = ""


@dataclass(frozen=True)
class Source:
    """What is to be written.

    Attributes:
        method: what was trained or fitted.
        preprocessing: of its images.
    """

    method: TaskClassifier
    preprocessing: Preprocessing

    @property
    def clip(self) -> Clip:
        """The backbone."""
        return self.method.clip


class Writer(Protocol):
    """Writes one kind of file."""

    def __call__(self, source: Source, path: Path, model: str) -> Exported:
        """Write ``path``; ``model`` is what the other library calls the backbone, "": find out."""


def export_method(
    method: TaskClassifier,
    kind: str,
    path: str | os.PathLike[str],
    model: str = "",
    preprocessing: Preprocessing | None = None,
) -> Exported:
    """Write a trained method for other programs; docs/export.md says how each kind is read.

    Args:
        method: what was trained or fitted.
        kind: one of :data:`KINDS`.
        path: the file to write, whole or not at all.
        model: for open_clip and transformers, what they call the backbone, if that cannot be found
            out: "<model>/<weights>" of open_clip, a repository or folder of transformers.
        preprocessing: of the method's images; None: the backbone's own.

    Raises:
        UserError: for an unknown kind, a method or backbone that it cannot carry, and where a
            library that it needs is not installed.
    """
    if kind not in KINDS:
        raise UserError(f"export to {kind!r}: no such kind; choose from {', '.join(KINDS)}")
    write: Writer = importlib.import_module(f"{__name__}.{KINDS[kind][0]}").write
    source = Source(method, preprocessing or method.clip.preprocessing)
    return write(source, Path(path).expanduser(), model)
