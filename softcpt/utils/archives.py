"""Reads zip files and NumPy's npz as data: what a file states of itself is checked before memory is
taken for it."""

from __future__ import annotations

import math
import zipfile
from pathlib import Path

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

# Trained numbers hardly shrink when they are packed, so what unpacks to more is a trap; text and
# masks of zeros do, up to here.
UNPACKED_MORE = 1 << 28
_ENDING = ".npy"


def refuse_bomb(file: zipfile.ZipFile, size: int) -> None:
    """Raise ValueError if a zip file of ``size`` bytes unpacks to far more."""
    if sum(record.file_size for record in file.infolist()) > 4 * size + UNPACKED_MORE:
        raise ValueError("it unpacks to far more than its size")


def read_npz(path: Path) -> dict[str, NDArray[np.generic]]:
    """Arrays of an npz file by name; no objects are unpickled.

    Raises:
        ValueError: a member is no array, states another shape than it has numbers, or the file
            unpacks to far more than its size.
        Exception: whatever damaged bytes make the zip reader and NumPy raise.
    """
    with zipfile.ZipFile(path) as file:
        refuse_bomb(file, path.stat().st_size)
        return {
            record.filename.removesuffix(_ENDING): _member(file, record)
            for record in file.infolist()
        }


def _member(file: zipfile.ZipFile, record: zipfile.ZipInfo) -> NDArray[np.generic]:
    with file.open(record) as stream:
        version = npy.read_magic(stream)
        read_header = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
        if version not in read_header:
            raise ValueError(f"{record.filename} is in a format of NumPy that is not known")
        shape, _, dtype = read_header[version](stream)
        if dtype.hasobject:
            raise ValueError(f"{record.filename} holds objects, which are not unpickled for safety")
        held = record.file_size - stream.tell()
        if min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize != held:
            raise ValueError(f"{record.filename} states another shape than it has numbers")
    with file.open(record) as stream:
        array: NDArray[np.generic] = npy.read_array(stream, allow_pickle=False)
        return array
