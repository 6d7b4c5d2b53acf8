"""An array on disk that is written block by block, every block with a checksum."""

from __future__ import annotations

import io
import json
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from softcpt.utils.files import write_json


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
        self.path, self.part, self.meta_path = (
            folder / "features.npy",
            folder / "features.part",
            folder / "meta.json",
        )
        self.meta: dict[str, Any] = {}
        self.load()

    def load(self) -> bool:
        """Read ``meta.json`` again; False when it is absent or damaged."""
        try:
            self.meta = json.loads(self.meta_path.read_bytes())
            return len(self.blocks) == -(-self.count // self.meta["block"])
        except (OSError, ValueError, KeyError, TypeError):
            self.meta = {}
            return False

    def create(self, shape: tuple[int, ...], dtype: str, block: int, about: dict[str, Any]) -> None:
        """Start afresh: ``shape`` (N, ...) of ``dtype`` in blocks of ``block`` rows, described by
        ``about``."""
        blocks = [None] * -(-shape[0] // block)
        self.meta = {
            **about,
            "shape": list(shape),
            "dtype": dtype,
            "block": block,
            "blocks": blocks,
        }
        self.path.unlink(missing_ok=True)
        write_json(self.meta_path, self.meta)

    @property
    def count(self) -> int:
        """Number of rows."""
        return self.meta["shape"][0]

    @property
    def blocks(self) -> list[dict[str, Any] | None]:
        """Per block ``{"crc32": int, "missing": [row, ...]}``, or None where it is still to be
        written."""
        return self.meta["blocks"]

    @property
    def nbytes(self) -> int:
        """Size of the array file."""
        return (
            len(self._header())
            + int(np.prod(self.meta["shape"])) * np.dtype(self.meta["dtype"]).itemsize
        )

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
        path = self.path if self.path.exists() else self.part
        if not path.exists():
            yield from (index for index, block in enumerate(self.blocks) if block)
            return
        header = self._header()
        with open(path, "rb") as file:
            sound = (
                file.read(len(header)) == header and os.fstat(file.fileno()).st_size == self.nbytes
            )
            for index, block in enumerate(self.blocks):
                data = file.read(len(self.rows(index)) * self._row_bytes())
                if block and (not sound or zlib.crc32(data) != block["crc32"]):
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
        data = np.ascontiguousarray(values, dtype=self.meta["dtype"]).tobytes()
        header = self._header()
        with open(self.part, "r+b" if self.part.exists() else "w+b") as file:
            file.write(header)
            file.truncate(self.nbytes)
            file.seek(len(header) + self.rows(block).start * self._row_bytes())
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        self.blocks[block] = {"crc32": zlib.crc32(data), "missing": missing}
        write_json(self.meta_path, self.meta)

    def finish(self, about: dict[str, Any]) -> None:
        """Add ``about`` to ``meta.json`` and give the array its final name."""
        self.meta.update(about)
        write_json(self.meta_path, self.meta)
        if self.part.exists():
            os.replace(self.part, self.path)

    def array(self) -> np.ndarray:
        """The array (N, ...), memory-mapped; what is assigned to it never reaches the file."""
        shape = tuple(self.meta["shape"])
        return np.memmap(
            self.path, self.meta["dtype"], mode="c", offset=len(self._header()), shape=shape
        )

    def _header(self) -> bytes:
        buffer = io.BytesIO()
        descr = np.lib.format.dtype_to_descr(np.dtype(self.meta["dtype"]).newbyteorder("<"))
        about = {"descr": descr, "fortran_order": False, "shape": tuple(self.meta["shape"])}
        np.lib.format.write_array_header_1_0(buffer, about)
        return buffer.getvalue()

    def _row_bytes(self) -> int:
        return int(np.prod(self.meta["shape"][1:])) * np.dtype(self.meta["dtype"]).itemsize
