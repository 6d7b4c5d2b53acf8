"""A stream of images in batches: decoded by worker processes, in order, with no more in memory than
is in work.

Items are file paths, PIL images, arrays and tensors, from a list or a generator.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from softcpt.errors import UserError
from softcpt.features.images import ImageError, as_rgb, default_workers, read_image

Transform = Callable[[Image.Image], Tensor]
Prepared = str | Tensor | ImageError  # a path, an image that is ready, or what is wrong


@dataclass(frozen=True)
class ImageBatch:
    """Images that follow each other in the stream.

    Attributes:
        images: (B, 3, H, W) those that could be read; None: none of them.
        failed: place in the batch -> what is wrong with the image there.
        count: images of the batch, failed ones among them.
    """

    images: Tensor | None
    failed: dict[int, ImageError]
    count: int


class ImageStream:
    """Makes batches of items.

    Args:
        transform: from a PIL RGB image to (3, H, W).
        size: H and W.
        batch_size: B.
        workers: processes that decode files; None: :func:`softcpt.features.images.default_workers`.
        pinned: put batches into pinned memory, for a GPU.
    """

    def __init__(
        self,
        transform: Transform,
        size: int,
        batch_size: int,
        workers: int | None = None,
        pinned: bool = False,
    ) -> None:
        self.transform, self.size, self.batch_size = transform, size, batch_size
        self.workers = default_workers() if workers is None else workers
        self.pinned = pinned

    def batches(self, items: Iterable[Any]) -> Generator[ImageBatch, None, None]:
        """The batches, in the order of ``items``; to be closed if it is left before its end.

        Raises:
            UserError: an item is nothing that could be an image.
        """
        prepared = chain.from_iterable(map(self._prepare, items))
        chunks = iter(lambda: list(islice(prepared, self.batch_size)), [])
        first = list(islice(chunks, 2))
        # Processes are worth their start for two batches of files or more.
        files = any(isinstance(item, str) for chunk in first for item in chunk)
        yield from DataLoader(
            _Decoded(self.transform),
            batch_sampler=chain(first, chunks),
            num_workers=self.workers if files and len(first) > 1 else 0,
            collate_fn=_collate,
            generator=torch.Generator(),  # the global one stays as it is
            pin_memory=self.pinned,
        )

    def _prepare(self, item: Any) -> Iterator[Prepared]:
        """What is in memory is made ready here; files are left to the workers."""
        if isinstance(item, (str, os.PathLike)):
            yield os.fspath(item)
        elif isinstance(item, Image.Image):
            yield self._of_image(item)
        elif isinstance(item, Tensor) and item.dim() == 4:
            for one in item:
                yield self._of_tensor(one)
        elif isinstance(item, Tensor):
            yield self._of_tensor(item)
        elif isinstance(item, np.ndarray):
            yield self._of_array(item)
        else:
            raise UserError(
                f"image: {type(item).__name__} is none; give a path, a PIL image, an array (H, W, "
                "3) of bytes, or a tensor (3, H, W)"
            )

    def _of_image(self, image: Image.Image) -> Tensor | ImageError:
        try:
            return self.transform(as_rgb(image))
        except Exception as error:  # noqa: BLE001 - damaged bytes make Pillow raise nearly any
            reason = " ".join(str(error).split()) or type(error).__name__
            return ImageError(f"image: {reason}", reason=f"cannot be read ({reason})")

    def _of_tensor(self, tensor: Tensor) -> Tensor | ImageError:
        if tensor.dtype == torch.uint8 and tensor.dim() == 3:
            return self._of_array(tensor.permute(1, 2, 0).cpu().numpy())
        if tensor.is_floating_point() and tensor.shape == (3, self.size, self.size):
            return tensor.detach().float().cpu()
        raise UserError(
            f"image: a tensor {tuple(tensor.shape)} of {tensor.dtype}; give bytes (3, H, W), or "
            f"pre-processed numbers (3, {self.size}, {self.size})"
        )

    def _of_array(self, array: np.ndarray) -> Tensor | ImageError:
        if array.dtype != np.uint8 or array.ndim not in (2, 3):
            raise UserError(
                f"image: an array {array.shape} of {array.dtype}; give bytes (H, W, 3) or (H, W)"
            )
        pixels = array[:, :, 0] if array.ndim == 3 and array.shape[2] == 1 else array
        return self._of_image(Image.fromarray(np.ascontiguousarray(pixels)))


class _Decoded(Dataset[Tensor | ImageError]):
    """Maps what is prepared to an image (3, H, W), or what is wrong with it."""

    def __init__(self, transform: Transform) -> None:
        self.transform = transform

    def __getitem__(self, item: Prepared) -> Tensor | ImageError:
        if not isinstance(item, str):
            return item
        try:
            return self.transform(read_image(item))
        except ImageError as error:
            return error


def _collate(images: list[Tensor | ImageError]) -> ImageBatch:
    read = [image for image in images if isinstance(image, Tensor)]
    failed = {place: image for place, image in enumerate(images) if isinstance(image, ImageError)}
    return ImageBatch(torch.stack(read) if read else None, failed, len(images))
