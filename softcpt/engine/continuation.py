"""Whether the run in a folder is this one, so that it can be continued bit for bit."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor
from yacs.config import CfgNode

from softcpt.artefacts import checkpoint
from softcpt.data.datum import all_labels
from softcpt.engine import config
from softcpt.errors import UserError
from softcpt.tasks import TaskSet
from softcpt.utils.kinds import Kind, is_kind, wrong_value

_REMEDY = "delete it to begin the run again, or restore it to continue"
# What the header of a run that can go on must have. "sha256" of the tensors came later.
_HEADER: dict[str, Kind] = {
    "config": str,
    "data": str,
    "source": (dict, type(None)),
    "epoch": int,
    "best": (int, float, type(None)),
    "seconds": dict,
    "curve": [dict],
    "selected": (dict, type(None)),  # came later
}
_EPOCH: dict[str, Kind] = {"epoch": int, "loss": (int, float)}


def images_digest(items: Sequence[Any], root: str, tasks: TaskSet) -> str:
    """A hash of the images' paths below ``root`` and their labels, in their order: of each of
    ``tasks`` the first."""
    return _sha256(
        [(os.path.relpath(item.impath, root), _first_labels(item, tasks)) for item in items]
    )


def _first_labels(item: Any, tasks: TaskSet) -> int | tuple[int, ...]:
    """An image's label; of one with several tasks a label of each."""
    labels = all_labels(item)
    if len(labels) == 1:
        return int(item.label)
    first: dict[int, int] = {}
    for label in labels:
        first.setdefault(tasks.to_local(label)[0], label)
    return tuple(first.values()) if len(first) > 1 else int(item.label)


def data_digest(tasks: TaskSet, train_images: str) -> str:
    """A hash of classes and training images: a run continues on the data it began with."""
    described = [(task.name, task.class_names, task.description) for task in tasks]
    return _sha256((described, train_images))


def _sha256(value: Any) -> str:
    return hashlib.sha256(repr(value).encode()).hexdigest()


@dataclass(frozen=True)
class RunIdentity:
    """What a run's numbers depend on.

    Attributes:
        cfg: the settings as they were given.
        final_model: ``TEST.FINAL_MODEL`` as it is used.
        data: see :func:`data_digest`.
        source: the prompt that training started from, with a digest; None: from scratch.
    """

    cfg: CfgNode
    final_model: str
    data: str
    source: Mapping[str, Any] | None

    def header(self) -> dict[str, Any]:
        """For the file that a continuation reads."""
        return {"config": self.cfg.dump(), "data": self.data, "source": self.source}

    def refuse_another(self, directory: str, header: Mapping[str, Any]) -> None:
        """Refuse to continue the run of ``header`` if it is another one.

        Raises:
            UserError: naming what differs.
        """
        ours = config.run_settings(self.cfg)
        try:
            theirs = config.settings_of_text(self.cfg, header["config"])
        except Exception as error:  # text that is no configuration makes yaml and yacs raise any
            reason = f"its config cannot be read: {type(error).__name__}"
            path = checkpoint.resume_file(directory)
            raise UserError(f"checkpoint {path}: damaged ({reason}); {_REMEDY}") from error
        changed = config.differences(ours, theirs)
        if changed:
            raise UserError(
                f"{directory}: it holds a run with other settings ({'; '.join(changed[:3])}); "
                "choose another --output-dir, or delete the folder"
            )
        if header["data"] != self.data:
            raise UserError(
                f"{directory}: it holds a run on other images or classes; choose another "
                "--output-dir, or delete the folder"
            )
        if _source_digest(header.get("source")) != _source_digest(self.source):
            raise UserError(
                f"{directory}: it holds a run that started from another prompt; give its "
                "--model-dir, choose another --output-dir, or delete the folder"
            )
        if header["best"] is not None and self.final_model != "best_val":
            raise UserError(
                f"{directory}: it holds a run of an older version, which chose its epoch on test "
                "images; choose another --output-dir, or delete the folder"
            )


def find_run(directory: str, required: bool) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    """Tensors and header of the run kept in ``directory``; None: there is none.

    Raises:
        UserError: there is none, and one is ``required``; or it is damaged. Then nothing is begun
            again in its place, which would lose the epochs that it stands for.
    """
    path = checkpoint.resume_file(directory)
    if not required and not os.path.lexists(path):
        return None
    return read_run(path)


def read_run(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and header of the file that a continuation reads.

    Raises:
        UserError: it is missing, cut, or a part of it is missing or not what was written.
    """
    if not path.is_file():
        raise UserError(f"checkpoint {path}: no such file; check --resume")
    try:
        tensors, header = checkpoint.load_tensors(path)
    except UserError as error:
        raise UserError(f"{str(error).rpartition(';')[0]}; {_REMEDY}") from error
    fault = wrong_value({"selected": None, **header}, _HEADER)
    digest = checkpoint.digest(tensors)
    if not fault and header.get("sha256", digest) != digest:
        fault = "its tensors are not those that were written"
    if not fault and not 0 <= len(header["curve"]) <= header["epoch"]:
        fault = f"epoch is {header['epoch']}, and its curve has {len(header['curve'])}"
    if not fault:
        fault = next(filter(None, (wrong_value(one, _EPOCH) for one in header["curve"])), "")
    if not fault and not all(is_kind(one, (int, float)) for one in header["seconds"].values()):
        fault = "seconds are no numbers"
    if fault:
        raise UserError(f"checkpoint {path}: damaged ({fault}); {_REMEDY}")
    return tensors, header


def _source_digest(source: Mapping[str, Any] | None) -> str | None:
    return None if source is None else str(source["digest"])
