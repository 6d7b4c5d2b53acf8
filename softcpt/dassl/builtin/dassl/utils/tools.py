"""Small helpers around files, seeds and names."""

from __future__ import annotations

import json
import os
import random
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import PIL
import torch
from PIL import Image

from softcpt.utils.files import atomic_write
from softcpt.utils.suggest import nearest

from .errors import UnavailableError


def mkdir_if_missing(dirname: str) -> None:
    """Make a folder and its parents; an existing one, or an empty name, is fine."""
    if dirname:
        os.makedirs(dirname, exist_ok=True)


def listdir_nohidden(path: str, sort: bool = False) -> list[str]:
    """Names in a folder that do not start with a dot."""
    names = [name for name in os.listdir(path) if not name.startswith(".")]
    return sorted(names) if sort else names


def check_isfile(fpath: str) -> bool:
    """Whether ``fpath`` is a file; warns when it is not."""
    found = os.path.isfile(fpath)
    if not found:
        warnings.warn(f"no file at {fpath}", stacklevel=2)
    return found


def read_json(fpath: str) -> Any:
    """The value in a JSON file."""
    with open(fpath, encoding="utf-8") as file:
        return json.load(file)


def write_json(obj: Any, fpath: str) -> None:
    """Write ``obj`` as JSON indented by four, whole or not at all."""
    with atomic_write(fpath) as temporary:
        temporary.write_text(json.dumps(obj, indent=4), encoding="utf-8")


def read_image(path: str) -> Image.Image:
    """An image as PIL RGB."""
    with Image.open(path) as image:
        rgb: Image.Image = image.convert("RGB")
        return rgb


def download_url(url: str, dst: str) -> None:
    """Download ``url`` to the file ``dst``, whole or not at all, with a progress bar."""
    mkdir_if_missing(os.path.dirname(dst))
    torch.hub.download_url_to_file(url, dst)


def set_random_seed(seed: int) -> None:
    """Seed python, numpy and torch on every device."""
    for seed_generator in (random.seed, np.random.seed, torch.manual_seed):
        seed_generator(seed)


def collect_env_info() -> str:
    """Versions and devices, for the head of a log."""
    from torch.utils import collect_env

    return f"{collect_env.get_pretty_env_info()}\nPillow: {PIL.__version__}"


def check_availability(requested: str, available: Sequence[str]) -> None:
    """Raise UnavailableError, a ValueError, with the closest name unless ``requested`` is in
    ``available``."""
    if requested in available:
        return
    closest = nearest(str(requested), available, cutoff=0.0)
    hint = f"; do you mean [{closest}]?" if closest else "; nothing is registered"
    raise UnavailableError(f"[{requested}]: not among {list(available)}{hint}")


def tolist_if_not(x: Any) -> list[Any]:
    """``x`` itself when it is a list, otherwise a list holding it."""
    return x if isinstance(x, list) else [x]
