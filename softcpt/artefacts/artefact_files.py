"""An artefact on disk: a folder with config.json, prompt.safetensors and README.md.

config.json says what the tensors are and has their sha256. So a folder of which a part is cut or of
another save is never taken for a whole one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from softcpt.artefacts import checkpoint
from softcpt.errors import UserError, reason_of
from softcpt.features.images import LFS_POINTER
from softcpt.utils.download import file_digest
from softcpt.utils.files import atomic_write, json_text

CONFIG_FILE = "config.json"
PROMPT_FILE = checkpoint.ARTEFACT_PROMPT
CARD_FILE = "README.md"

FORMAT = 1
# Format n -> a function that makes of its config.json one of format n + 1. Every format that was
# ever released stays readable: tests/artefacts has a folder of each.
UPGRADES: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {}

# What config.json must have, and of which kind it is.
_NEEDED: dict[str, type] = {
    "method": str,
    "options": dict,
    "backbone": dict,
    "tasks": list,
    "preprocessing": dict,
    "prompt": dict,
}


@dataclass(frozen=True)
class ArtefactFiles:
    """What was read.

    Attributes:
        folder: where the files lie.
        config: config.json in the present format.
        tensors: of prompt.safetensors, by their names in ``reference_state()``.
    """

    folder: Path
    config: dict[str, Any]
    tensors: dict[str, Tensor]


def find_artefact(folder: str | Path) -> Path:
    """The folder of the artefact that ``folder`` is, or that the run in ``folder`` left.

    Raises:
        UserError: there is none.
    """
    folder = Path(folder).expanduser()
    for candidate in (folder, folder / checkpoint.RUN_ARTEFACT):
        if (candidate / CONFIG_FILE).is_file():
            return candidate
    if not folder.is_dir():
        raise UserError(f"artefact {folder}: no such folder; give one that `save` or a run wrote")
    if (folder / checkpoint.PROMPT_FOLDER).is_dir():
        raise UserError(
            f"artefact {folder}: a run of an older version, which left no artefact; `python "
            f"train.py --eval-only --model-dir {folder} --output-dir NEW` tests it and leaves one "
            "in NEW"
        )
    raise UserError(
        f"artefact {folder}: it has no {CONFIG_FILE}; give a folder that `save` or a run wrote"
    )


def write_artefact(
    folder: str | Path,
    config: Mapping[str, Any],
    tensors: Mapping[str, Tensor],
    header: Mapping[str, Any],
    card: str,
) -> Path:
    """Write the three files; nothing else in ``folder`` is touched.

    Args:
        folder: made if it is not there.
        config: config.json without its "format" and "prompt".
        tensors: what was trained.
        header: what ``train.py --eval-only`` asks of a prompt's file.
        card: README.md.

    Raises:
        UserError: a file cannot be written; what was there before stays.
    """
    folder = Path(folder).expanduser()
    with ExitStack() as files:
        # All are written beside the old ones first. Then they take their places, the configuration
        # last: until it does, its sha256 tells that it is not that of the new tensors.
        to_config = files.enter_context(atomic_write(folder / CONFIG_FILE))
        to_prompt = files.enter_context(atomic_write(folder / PROMPT_FILE))
        to_card = files.enter_context(atomic_write(folder / CARD_FILE))
        checkpoint.write_tensors(to_prompt, tensors, header)
        prompt = {"file": PROMPT_FILE, "sha256": file_digest(to_prompt, "0" * 64)}
        text = json_text({"format": FORMAT, **config, "prompt": prompt})
        to_config.write_text(text, encoding="utf-8")
        to_card.write_text(card, encoding="utf-8")
    return folder


def read_artefact(folder: str | Path) -> ArtefactFiles:
    """Read the artefact in ``folder``, or that of the run in it.

    Raises:
        UserError: it is missing, cut, of a later format, or no artefact.
    """
    folder = find_artefact(folder)
    config = read_config(folder)
    path = folder / PROMPT_FILE
    _refuse_other_bytes(folder, path, str(config["prompt"].get("sha256", "")))
    tensors, _ = checkpoint.load_tensors(path)
    return ArtefactFiles(folder, config, tensors)


def read_config(folder: Path) -> dict[str, Any]:
    """config.json of an artefact, in the present format.

    Raises:
        UserError: it is damaged, of a later format, or of something else.
    """
    path = folder / CONFIG_FILE
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError, RecursionError) as error:  # cut anywhere, also inside a letter
        raise UserError(
            f"artefact {folder}: {CONFIG_FILE} is damaged ({reason_of(error)}); copy or save the "
            "artefact again"
        ) from error
    version = config.get("format") if isinstance(config, dict) else None
    if type(version) is not int or version < 1:
        raise UserError(
            f"artefact {folder}: its {CONFIG_FILE} is not one of softcpt (no format number); give "
            "a folder that `save` or a run wrote"
        )
    if version > FORMAT:
        raise UserError(
            f"artefact {folder}: written in format {version}, and this version of softcpt reads "
            f"formats up to {FORMAT}; update softcpt"
        )
    for number in range(version, FORMAT):
        config = UPGRADES[number](config)
    for name, kind in _NEEDED.items():
        if not isinstance(config.get(name), kind):
            what = f"{name} is {type(config[name]).__name__}" if name in config else f"no {name}"
            raise UserError(
                f"artefact {folder}: {CONFIG_FILE} is damaged ({what}); copy or save the artefact "
                "again"
            )
    return dict(config)


def _refuse_other_bytes(folder: Path, path: Path, sha256: str) -> None:
    if not path.is_file():
        raise UserError(
            f"artefact {folder}: {path.name} is missing; copy or save the artefact again"
        )
    if len(sha256) == 64 and file_digest(path, sha256) == sha256:
        return
    with open(path, "rb") as file:
        pointer = file.read(len(LFS_POINTER)) == LFS_POINTER
    if pointer:
        raise UserError(
            f"artefact {folder}: {path.name} is a Git LFS pointer, not the tensors; `git lfs pull` "
            "fetches them"
        )
    raise UserError(
        f"artefact {folder}: {path.name} is not the file that {CONFIG_FILE} describes (cut, or of "
        "another save); copy or save the artefact again"
    )
