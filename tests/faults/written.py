"""What a command left on disk, but for what is of one run: times, versions, process numbers."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

# Of results.json, what is the same in each run.
_OF_RESULTS = ("tasks", "overall", "curve", "shared", "class_names", "selected")
# Files that hold times or how often a run was begun.
_OF_ONE_RUN = re.compile(r"log\.txt|job\.json|resume\.safetensors|README\.md|config\.json|.*\.log")


def written(folder: Path) -> dict[str, Any]:
    """Each file below ``folder`` by its path, with its content in a form that can be compared."""
    # What a worker died of is kept for whoever wants to know.
    files = (path for path in folder.rglob("*") if path.parent.name != "workers")
    found = sorted(path for path in files if path.is_file())
    return {str(path.relative_to(folder)): _content(path) for path in found}


def _content(path: Path) -> Any:
    if _OF_ONE_RUN.fullmatch(path.name):
        return None
    if path.suffix == ".safetensors":
        return {key: value.tolist() for key, value in load_file(path).items()}
    if ".pth" in path.name:
        state = torch.load(path, weights_only=True)["state_dict"]
        return {key: value.tolist() for key, value in state.items()}
    if path.name == "results.json":
        results = json.loads(path.read_text())
        return [results.get(key) for key in _OF_RESULTS]
    if path.name == "meta.json":
        return json.loads(path.read_text())["blocks"]
    return hashlib.sha256(path.read_bytes()).hexdigest()


def differences(found: dict[str, Any], right: dict[str, Any]) -> str:
    """What is there and should not be, what is missing, and what is another; "": nothing."""
    faults = [f"left over {name}" for name in found.keys() - right.keys()]
    faults += [f"missing {name}" for name in right.keys() - found.keys()]
    both = found.keys() & right.keys()
    faults += [f"other {name}" for name in both if found[name] != right[name]]
    return ", ".join(sorted(faults))[:600]
