"""The feature bank: every image is encoded once per view by the frozen image tower, and kept on
disk."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import sys
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import PIL
import torch
from filelock import FileLock, Timeout
from torch import Tensor
from torch.utils.data import DataLoader
from tqdm import tqdm

from softcpt.errors import UserError
from softcpt.features.block_file import BlockFile
from softcpt.features.images import ImageError, ViewDataset, default_workers
from softcpt.utils.files import cache_folder
from softcpt.utils.locks import file_lock

FORMAT = 1  # part of every key: raised when the same inputs come to mean other features
KINDS = {"global": "features", "spatial": "local features", "unprojected": "unprojected features"}
BLOCK_ROWS = 512  # about what a killed build loses

_log = logging.getLogger(__name__)

# From an RGB image to (3, H, W).
Transform = Callable[[PIL.Image.Image], Tensor]
# Indices of the images that were read, those images (B, 3, H, W), and of the others what was wrong.
Batch = tuple[list[int], Tensor | None, list[tuple[int, ImageError]]]


class ImageEncoder(Protocol):
    """What the bank asks of a CLIP model (:class:`softcpt.clip.model.Clip` has it)."""

    name: str
    precision: str
    embed_dim: int

    @property
    def fingerprint(self) -> str:
        """Hash of the weights."""

    @property
    def places(self) -> int:
        """M; asked for in a spatial bank only, as is ``spatial``."""

    @property
    def projection(self) -> Any:
        """Of ``weight`` (D', D); asked for in an unprojected bank only."""

    @property
    def device(self) -> torch.device:
        """Where images are to be."""

    def encode_image(
        self, images: Tensor, *, spatial: bool = False, unprojected: bool = False
    ) -> Tensor:
        """Map pre-processed images (B, 3, H, W) to features (B, D), or with ``spatial`` (B, 1 + M,
        D), or with ``unprojected`` (B, D')."""


def default_folder() -> Path:
    """``$SOFTCPT_CACHE/features``, or ``~/.cache/softcpt/features``."""
    return cache_folder() / "features"


class FeatureBank:
    """Image features by content: encoded when first asked for, read from disk ever after.

    An entry is one folder: ``features.npy`` and a readable ``meta.json``. It is found by a hash of
    the weights, the precision, the kind, the files (path below the root, size, modification time),
    the transform, the seed and the view, so a changed image or model never meets old features. A
    build that was killed goes on from its last whole block; of two processes that want the same
    entry one builds and the other waits; damaged blocks are found on opening and built again.

    Args:
        folder: of all entries; None for :func:`default_folder`.
        clip: the image tower.
        kind: ``"global"``, one feature an image; ``"spatial"``: with those of its M places behind
            it; or ``"unprojected"``: in front of the projection into the joint space.
        seed: of the augmented views.
        batch_size: images encoded at once; None for 16 on a CPU, whose caches larger ones leave,
            and 128 elsewhere.
        workers: loader processes; None for :func:`softcpt.features.images.default_workers`, 0 to
            load in this process.
        on_error: what an unreadable image does: ``"stop"`` raises its :class:`ImageError`;
            ``"skip"`` says so once, leaves its row at zero and lists it in :meth:`missing`.
        dtype: kept on disk: ``torch.float32`` (exact) or ``torch.float16`` (half the size).
        progress: show progress bars.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str] | None,
        clip: ImageEncoder,
        *,
        kind: str = "global",
        seed: int = 0,
        batch_size: int | None = None,
        workers: int | None = None,
        on_error: str = "stop",
        dtype: torch.dtype = torch.float32,
        progress: bool = True,
    ) -> None:
        if kind not in KINDS:
            raise UserError(f"feature bank: kind {kind!r} is unknown; choose {', '.join(KINDS)}")
        if on_error not in ("stop", "skip"):
            raise UserError(
                f"on_error: {on_error!r} is neither 'stop' nor 'skip'; choose one of them"
            )
        if dtype not in (torch.float32, torch.float16):
            raise UserError(
                f"feature bank: dtype {dtype} is not kept on disk; use torch.float32 or "
                "torch.float16"
            )
        self.folder = default_folder() if folder is None else Path(folder)
        self.clip = clip
        self.kind = kind
        self.seed = seed
        self.on_error = on_error
        self.progress = progress
        self.batch_size = batch_size or (16 if torch.device(clip.device).type == "cpu" else 128)
        self.workers = default_workers() if workers is None else workers
        self.dtype = str(dtype).removeprefix("torch.")

    def features(
        self,
        paths: Sequence[str],
        transform: Transform,
        view: int | None = None,
        root: str | os.PathLike[str] = "",
    ) -> Tensor:
        """Features (N, D) or of the spatial kind (N, 1 + M, D), fp32, not normalised, in the order
        of ``paths``.

        They are memory-mapped where kept as fp32. What is written into the tensor stays in memory
        and never reaches the disk.

        Args:
            paths: image files, relative to ``root`` or absolute.
            transform: from an RGB image to (3, H, W); its ``repr`` must tell all that it does.
            view: number of the augmented view (image ``i`` of it is drawn from the bank's seed,
                ``i`` and ``view``); None for a transform that draws nothing.
            root: folder that ``paths`` are relative to; where it lies is not part of the key.

        Raises:
            ImageError: an image cannot be read and ``on_error`` is ``"stop"``.
            UserError: the transform has no lasting ``repr``, the features are not finite, or the
                disk is too small.
        """
        if not paths:
            return torch.empty(self._shape(0))
        once, places = _once(paths, view)
        features = torch.from_numpy(self._entry(once, transform, view, root).array()).float()
        return features if len(once) == len(paths) else features[places]

    def missing(
        self,
        paths: Sequence[str],
        transform: Transform,
        view: int | None = None,
        root: str | os.PathLike[str] = "",
    ) -> list[int]:
        """Indices of the images that could not be read: rows of zeros in :meth:`features`
        (``on_error="skip"``)."""
        if not paths:
            return []
        once, places = _once(paths, view)
        missing = set(self._entry(once, transform, view, root).missing)
        return [index for index, place in enumerate(places) if place in missing]

    def _entry(
        self,
        paths: Sequence[str],
        transform: Transform,
        view: int | None,
        root: str | os.PathLike[str],
    ) -> BlockFile:
        files = [os.path.join(root, path) for path in paths]
        about = self._about(transform, view)
        entry = BlockFile(self.folder / _key(about, files, os.fspath(root)))
        if not self._has(entry, files):
            with self._sole_builder(entry):
                # Asked again, as another process may have built it while this one waited.
                if not self._has(entry, files):
                    self._build(entry, files, transform, view, about)
        if entry.missing and self.on_error == "stop":
            unreadable = files[entry.missing[0]]
            raise ImageError(
                f"image {unreadable}: could not be read when its features were made; restore the "
                "file or take it out "
                "of the data set",
                unreadable,
            )
        return entry

    def _has(self, entry: BlockFile, files: list[str]) -> bool:
        return entry.is_whole() and entry.shape == self._shape(len(files))

    def _shape(self, count: int) -> tuple[int, ...]:
        if self.kind == "unprojected":
            return (count, len(self.clip.projection.weight))
        places = (1 + self.clip.places,) if self.kind == "spatial" else ()
        return (count, *places, self.clip.embed_dim)

    def _about(self, transform: Transform, view: int | None) -> dict[str, Any]:
        described = repr(transform)
        if " at 0x" in described:
            raise UserError(
                f"transform {' '.join(described.split())}: its description changes from run to "
                "run, so its features "
                "would never be found again; give its parts a __repr__ that names their settings"
            )
        drawn = {} if view is None else {"seed": self.seed, "view": view}
        return {
            "format": FORMAT,
            "kind": self.kind,
            "fingerprint": self.clip.fingerprint,
            "precision": self.clip.precision,
            "dtype": self.dtype,
            "transform": described,
            **drawn,
        }

    def _build(
        self,
        entry: BlockFile,
        files: list[str],
        transform: Transform,
        view: int | None,
        about: dict[str, Any],
    ) -> None:
        shape = self._shape(len(files))
        if not entry.load() or (entry.shape, entry.meta["dtype"]) != (shape, self.dtype):
            if entry.meta_path.exists():
                _log.warning("features %s: meta.json is damaged, all is built again", entry.folder)
            about = {"name": self.clip.name, "count": len(files), **about}
            block = self.batch_size * max(1, BLOCK_ROWS // self.batch_size)
            entry.create(shape, self.dtype, block, about)
        damaged = list(entry.corrupt())
        if damaged:
            _log.warning(
                "features %s: %d damaged block(s) found, built again", entry.folder, len(damaged)
            )
            entry.forget(damaged)
        _check_space(entry)
        dataset = ViewDataset(files, transform, self.seed, view, on_error="return")
        batches: list[list[int]] = []
        for block in entry.pending:
            batches += _split(entry.rows(block), self.batch_size)
        label = self.clip.name + ("" if view is None else f", view {view}")
        label = f"{KINDS[self.kind]} of {label} ({entry.nbytes / 1e6:.1f} MB)"
        with self._bar(entry, label) as bar, closing(self._load(dataset, batches)) as loaded:
            for block in entry.pending:
                self._encode_block(entry, block, loaded, bar)
        versions = {"torch": torch.__version__, "pillow": PIL.__version__}
        entry.finish(
            {
                "built": datetime.now(timezone.utc).isoformat(timespec="seconds"),
                "versions": versions,
            }
        )

    def _load(self, dataset: ViewDataset, batches: list[list[int]]) -> Generator[Batch, None, None]:
        # A generator, because closing it ends the loader's processes at once. Left to the garbage
        # collector, as after an exception, each of them takes five seconds.
        yield from DataLoader(
            dataset,
            batch_sampler=batches,
            num_workers=self.workers if len(batches) > 1 else 0,  # one batch is not worth a process
            collate_fn=_collate,
            # The global generator would move on, and only where something had to be encoded: a run
            # would draw other numbers with a full bank than with an empty one.
            generator=torch.Generator(),
            pin_memory=torch.device(self.clip.device).type == "cuda",
        )

    def _encode_block(
        self, entry: BlockFile, block: int, loaded: Iterator[Batch], bar: tqdm
    ) -> None:
        rows = entry.rows(block)
        missing: list[int] = []
        values = np.zeros((len(rows), *entry.shape[1:]), entry.dtype)
        for _ in _split(rows, self.batch_size):
            indices, images, errors = next(loaded)
            for index, error in errors:
                if self.on_error == "stop":
                    raise error
                _log.warning("%s (left out)", error)
                missing.append(index)
            if images is not None:
                values[np.subtract(indices, rows.start)] = self._encode(images)
            bar.update(len(indices) + len(errors))
        if not np.isfinite(values).all():
            raise UserError(
                f"features of {self.clip.name}: not finite at precision {self.clip.precision}, "
                f"kept as {self.dtype}; "
                "use fp32 or bf16, and dtype float32"
            )
        entry.write(block, values, missing)

    def _encode(self, images: Tensor) -> np.ndarray:
        options = {} if self.kind == "global" else {self.kind: True}
        with torch.no_grad():
            features = self.clip.encode_image(
                images.to(self.clip.device, non_blocking=True), **options
            )
        return features.float().cpu().numpy()

    def _bar(self, entry: BlockFile, label: str) -> tqdm:
        # Not disable=False, which would show bars in files in spite of TQDM_DISABLE.
        hidden = {} if self.progress else {"disable": True}
        return tqdm(
            total=entry.count,
            initial=entry.rows_written,
            desc=label,
            unit=" images",
            delay=1,
            file=sys.stderr,
            **hidden,
        )

    @contextmanager
    def _sole_builder(self, entry: BlockFile) -> Iterator[None]:
        """Hold the entry's lock; the system frees it when its holder dies."""
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = entry_lock(entry.folder)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            _log.warning(
                "features %s: another process is building them; waiting for it", entry.folder
            )
            self._wait(lock, entry)
        try:
            yield
        finally:
            lock.release()

    def _wait(self, lock: FileLock, entry: BlockFile) -> None:
        with tqdm(
            unit=" images", desc="built elsewhere", disable=not self.progress, file=sys.stderr
        ) as bar:
            while not _acquired(lock, seconds=1):
                if entry.load():
                    bar.total = entry.count
                    bar.update(entry.rows_written - bar.n)


def _once(paths: Sequence[str], view: int | None) -> tuple[Sequence[str], list[int]]:
    """Each image once, as an image may be of several tasks; and where each of ``paths`` is among
    them. Augmented views differ from row to row."""
    if view is not None:
        return paths, list(range(len(paths)))
    places: dict[str, int] = {}
    found = [places.setdefault(path, len(places)) for path in paths]
    return list(places), found


def _acquired(lock: FileLock, seconds: float) -> bool:
    try:
        lock.acquire(timeout=seconds)
    except Timeout:
        return False
    return True


def entry_lock(folder: Path) -> FileLock:
    """The lock that whoever writes to an entry's folder holds."""
    locks = folder.parent / ".locks"
    locks.mkdir(parents=True, exist_ok=True)
    return file_lock(locks / folder.name)


def _key(about: dict[str, Any], files: list[str], root: str) -> str:
    # Size and modification time stand for a file's content, as in make and rsync: a run with a full
    # bank must not read every image only to know that nothing has changed. The root is left out, so
    # a data set that was moved keeps its features.
    digest = hashlib.sha256(json.dumps(about, sort_keys=True).encode())
    prefix = os.path.join(root, "")
    for file in files:
        try:
            stat = os.stat(file)
            stamp = (stat.st_size, stat.st_mtime_ns)
        except OSError:
            stamp = (-1, -1)  # reading the image names what is wrong, if there is no entry yet
        digest.update(f"{file.removeprefix(prefix)}\0{stamp}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()[:32]


def _split(rows: range, size: int) -> list[list[int]]:
    return [list(rows[start : start + size]) for start in range(0, len(rows), size)]


def _collate(items: list[tuple[int, Tensor | ImageError]]) -> Batch:
    indices, images, errors = [], [], []
    for index, item in items:
        if isinstance(item, ImageError):
            errors.append((index, item))
        else:
            indices.append(index)
            images.append(item)
    return indices, torch.stack(images) if images else None, errors


def _check_space(entry: BlockFile) -> None:
    free = shutil.disk_usage(entry.folder).free
    if not entry.rows_written and free < entry.nbytes:
        raise UserError(
            f"features {entry.folder}: {entry.nbytes / 1e6:.0f} MB needed, {free / 1e6:.0f} MB "
            "free; "
            "make room there, set SOFTCPT_CACHE to a larger disk, or encode at every step "
            "(FEATURES.MODE online)"
        )
