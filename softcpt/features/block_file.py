"""An array on disk that is written block by block, every block with a checksum."""

from __future__ import annotations

import json
import math
import os
import tokenize
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.lib.format import open_memmap

from softcpt.utils.files import write_json
from softcpt.utils.kinds import Kind, wrong_value

# What numpy raises on a file that is cut short, or whose header is damaged.
_DAMAGE = (OSError, ValueError, TypeError, SyntaxError, OverflowError, tokenize.TokenError)


class BlockFile:
    """A folder with ``features.npy`` (N, ...) and ``meta.json``: what it is, and the checksum of
    each block of rows.

    While blocks are missing the array is called ``features.part``; blocks that ``meta.json`` knows
    are whole on disk, so that a build goes on from the last of them. ``features.npy`` is an
    ordinary NumPy file.

    Args:
        folder: of this one array; made by :meth:`create`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "features.npy"
        self.part = folder / "features.part"
        self.meta_path = folder / "meta.json"
        self.meta: dict[str, Any] = {}
        self.load()

    def load(self) -> bool:
        """Read ``meta.json`` again; False when it is absent or damaged."""
        try:
            found = json.loads(self.meta_path.read_bytes())
        except (OSError, ValueError, RecursionError):
            found = None
        self.meta = found if _is_whole(found) else {}
        return bool(self.meta)

    def create(self, shape: tuple[int, ...], dtype: str, block: int, about: dict[str, Any]) -> None:
        """Begin with nothing written: ``shape`` (N, ...) of ``dtype`` in blocks of ``block`` rows,
        described by ``about``."""
        facts = {"shape": list(shape), "dtype": dtype, "block": block}
        self.meta = {**about, **facts, "blocks": [None] * -(-shape[0] // block)}
        self.path.unlink(missing_ok=True)
        write_json(self.meta_path, self.meta)

    @property
    def count(self) -> int:
        """Number of rows."""
        return self.shape[0]

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, ...) of the array."""
        return tuple(self.meta["shape"])

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the array, in the byte order that is kept on disk."""
        dtype: np.dtype[Any] = np.dtype(self.meta["dtype"]).newbyteorder("<")
        return dtype

    @property
    def blocks(self) -> list[dict[str, Any] | None]:
        """Per block ``{"crc32": int, "missing": [row, ...]}``, or None where it is still to be
        written."""
        blocks: list[dict[str, Any] | None] = self.meta["blocks"]
        return blocks

    @property
    def nbytes(self) -> int:
        """Size of the array."""
        return math.prod(self.shape) * self.dtype.itemsize

    @property
    def missing(self) -> list[int]:
        """Rows left at zero because there was nothing to put there."""
        return [row for block in self.blocks if block for row in block["missing"]]

    @property
    def pending(self) -> list[int]:
        """Blocks still to be written."""
        return [index for index, block in enumerate(self.blocks) if block is None]

    @property
    def rows_written(self) -> int:
        """Rows of the blocks that are whole."""
        return self.count - sum(len(self.rows(index)) for index in self.pending)

    def rows(self, block: int) -> range:
        """Rows of a block."""
        size = self.meta["block"]
        return range(block * size, min((block + 1) * size, self.count))

    def is_whole(self) -> bool:
        """Whether every block is there and has its checksum (reads the whole file)."""
        return self.load() and not self.pending and self.path.exists() and not any(self.corrupt())

    def corrupt(self) -> Iterator[int]:
        """Blocks whose bytes are not those that were written."""
        array = self._open(self.path if self.path.exists() else self.part, "r")
        for index, block in enumerate(self.blocks):
            if block and (array is None or _checksum(array[self._slice(index)]) != block["crc32"]):
                yield index

    def forget(self, blocks: list[int]) -> None:
        """Have these blocks written again; the array is ``features.part`` until that is done."""
        for index in blocks:
            self.blocks[index] = None
        write_json(self.meta_path, self.meta)
        if self.path.exists():
            os.replace(self.path, self.part)

    def write(self, block: int, values: np.ndarray, missing: list[int]) -> None:
        """Write a block's rows (len(rows), ...); ``missing`` names those left at zero."""
        data = np.ascontiguousarray(values, dtype=self.dtype)
        array = self._open(self.part, "r+")
        if array is None:
            array = open_memmap(self.part, "w+", self.dtype, self.shape)
        # Not through the map: on a full disk that ends the process with a signal, this in an error.
        with open(self.part, "r+b") as file:
            file.seek(array.offset + self._slice(block).start * array[0].nbytes)
            file.write(data.data)
            file.flush()
            # meta.json must not say that a block is whole before its bytes are on the disk: after a
            # power failure the next build trusts what it says.
            os.fsync(file.fileno())
        self.blocks[block] = {"crc32": _checksum(data), "missing": missing}
        write_json(self.meta_path, self.meta)

    def finish(self, about: dict[str, Any]) -> None:
        """Add ``about`` to ``meta.json`` and give the array its final name."""
        self.meta.update(about)
        write_json(self.meta_path, self.meta)
        if self.part.exists():
            os.replace(self.part, self.path)

    def array(self) -> np.ndarray:
        """The array (N, ...), memory-mapped; what is assigned to it never reaches the file."""
        return open_memmap(self.path, "c")

    def _open(self, path: Path, mode: Literal["r", "r+"]) -> np.memmap[Any, np.dtype[Any]] | None:
        """The array in ``path``; None where there is none of the right shape, type and size."""
        try:
            array = open_memmap(path, mode)
        except _DAMAGE:
            return None
        fits = (array.shape, array.dtype) == (self.shape, self.dtype)
        whole = path.stat().st_size == array.offset + array.nbytes
        return array if fits and whole else None

    def _slice(self, block: int) -> slice:
        rows = self.rows(block)
        return slice(rows.start, rows.stop)


def _is_whole(meta: Any) -> bool:
    """Whether ``meta.json`` says what :meth:`BlockFile.create` makes it say."""
    kinds: dict[str, Kind] = {"shape": [int], "dtype": str, "block": int, "blocks": list}
    if not isinstance(meta, dict) or wrong_value(meta, kinds):
        return False
    shape, size, blocks = meta["shape"], meta["block"], meta["blocks"]
    if not shape or min(shape) < 0 or size < 1 or meta["dtype"] not in ("float32", "float16"):
        return False
    return len(blocks) == -(-shape[0] // size) and all(
        block is None or _is_block(block, range(shape[0])) for block in blocks
    )


def _is_block(block: Any, rows: range) -> bool:
    kinds: dict[str, Kind] = {"crc32": int, "missing": [int]}
    fits = isinstance(block, dict) and not wrong_value(block, kinds)
    return fits and all(row in rows for row in block["missing"])


def _checksum(rows: np.ndarray) -> int:
    return zlib.crc32(rows.data)
