"""Images: read exactly as the published pipelines read them, augmented so that a view can be drawn
again."""

from __future__ import annotations

import hashlib
import os
import random
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor
from torch.utils.data import Dataset

from softcpt.errors import UserError, reason_of
from softcpt.utils.rgb import as_rgb

LFS_POINTER = b"version https://git-lfs.github.com/spec/"


class ImageError(UserError):
    """An image file that is missing, truncated, or not an image; ``path`` is the file, ``reason``
    what is wrong with it."""

    def __init__(self, message: str, path: str = "", reason: str = "") -> None:
        # A DataLoader rebuilds its worker's exception from the printed traceback, whose last line
        # is the message.
        super().__init__(message.rstrip().splitlines()[-1].removeprefix(f"{__name__}.ImageError: "))
        self.path, self.reason = path, reason


def _unreadable(path: str, reason: str) -> ImageError:
    return ImageError(
        f"image {path}: {reason}; restore the file or take it out of the data set", path, reason
    )


def read_image(path: str | os.PathLike[str]) -> Image.Image:
    """Decode ``path`` to an 8-bit RGB image of the file's own size.

    Grey, palette and CMYK images are converted; transparent ones are laid on white; 16-bit grey
    keeps its upper eight bits, as Pillow does with 16-bit colour. EXIF orientation is left alone,
    as in Dassl.

    Raises:
        ImageError: the file is missing, is no image, or ends too early.
    """
    path = os.fspath(path)
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise _unreadable(path, "is no file, but a folder, a pipe or a device")
        with Image.open(path) as image:
            return as_rgb(image)
    except ImageError:
        raise
    except FileNotFoundError:
        raise _unreadable(path, "no such file") from None
    except UnidentifiedImageError as error:
        with open(path, "rb") as file:
            if file.read(len(LFS_POINTER)) == LFS_POINTER:
                raise _unreadable(
                    path, "is a Git LFS pointer, not the image (`git lfs pull` fetches it)"
                ) from error
        raise _unreadable(path, "is no image that Pillow knows") from error
    except Exception as error:  # Pillow's plug-ins raise nearly any type on damaged bytes
        reason = reason_of(error).replace(repr(path), "the file")
        raise _unreadable(path, f"cannot be read ({reason})") from error


@contextmanager
def drawn_from(*parts: object) -> Iterator[None]:
    """Seed Python's, NumPy's and torch's global (CPU) generators from a hash of ``parts``; put them
    back afterwards.

    Transforms know no explicit generator, hence the detour. A hash, not a sum: ``seed + index +
    view`` would give neighbouring images of neighbouring views the same crop.
    """
    digest = hashlib.blake2b(repr(parts).encode(), digest_size=20).digest()
    # numpy's old generator, since that is what transforms draw from.
    kept = random.getstate(), np.random.get_state(), torch.get_rng_state()  # noqa: NPY002
    try:
        random.seed(digest[:8])
        np.random.seed(int.from_bytes(digest[8:12], "little"))  # noqa: NPY002
        # not torch.manual_seed: it would reseed the GPUs' generators too
        torch.default_generator.manual_seed(int.from_bytes(digest[12:], "little"))
        yield
    finally:
        random.setstate(kept[0])
        np.random.set_state(kept[1])  # noqa: NPY002
        torch.set_rng_state(kept[2])


class ViewDataset(Dataset[tuple[int, Tensor | ImageError]]):
    """Item ``i`` is ``(i, transform(image i))``, its randomness a function of ``(seed, i, view)``
    alone.

    The same view of the same image is the same tensor, whatever the order, the number of workers
    and what else draws random numbers; the global generators are left as they were.

    Args:
        paths: image files.
        transform: maps an RGB image to a tensor, such as (3, H, W).
        seed: of the run.
        view: which augmented view, usually the epoch; None when the transform draws nothing.
        on_error: ``"raise"`` an :class:`ImageError` or ``"return"`` it in the tensor's place.
    """

    def __init__(
        self,
        paths: Sequence[str],
        transform: Callable[[Image.Image], Tensor],
        seed: int = 0,
        view: int | None = None,
        on_error: str = "raise",
    ) -> None:
        self.paths = paths
        self.transform = transform
        self.seed = seed
        self.view = view
        self.on_error = on_error

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> tuple[int, Tensor | ImageError]:
        try:
            image = read_image(self.paths[index])
        except ImageError as error:
            if self.on_error == "raise":
                raise
            return index, error
        if self.view is None:
            return index, self.transform(image)
        with drawn_from(self.seed, int(index), self.view):
            return index, self.transform(image)


def default_workers() -> int:
    """Loader processes that keep the cores of this process busy beside the model: one fewer than
    cores, 1 to 8."""
    cores = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    return min(max(cores - 1, 1), 8)
