"""A stream of images in batches: decoded by worker processes, in order, with no more in memory than
is in work.

Items are file paths, images with a path, PIL images, arrays and tensors, from a list or a
generator.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from softcpt.clip.preprocessing import Preprocessing
from softcpt.errors import UserError, reason_of
from softcpt.features.images import ImageError, default_workers, read_image
from softcpt.utils.rgb import as_rgb

# A path; bytes (H, W, 3), or numbers (3, H, W) that are normalised already; or what is wrong.
Prepared = str | Tensor | ImageError


@dataclass(frozen=True)
class ImageBatch:
    """Images that follow each other in the stream.

    Attributes:
        pixels: of those that could be read, bytes (B, H, W, 3), or (B, 3, H, W) that are normalised
            already; None: none could be read.
        failed: place in the batch -> what is wrong with the image there.
        count: images of the batch, failed ones among them.
    """

    pixels: Tensor | None
    failed: dict[int, ImageError]
    count: int

    def pin_memory(self) -> ImageBatch:
        """The same in pinned memory; a loader asks for it."""
        pinned = None if self.pixels is None else self.pixels.pin_memory()
        return ImageBatch(pinned, self.failed, self.count)


class ImageStream:
    """Makes batches of items.

    Args:
        preprocessing: how images become the model's input.
        batch_size: B.
        workers: processes that decode files; None: :func:`softcpt.features.images.default_workers`.
        pinned: put batches into pinned memory, for a GPU.
    """

    def __init__(
        self,
        preprocessing: Preprocessing,
        batch_size: int,
        workers: int | None = None,
        pinned: bool = False,
    ) -> None:
        self.preprocessing, self.size = preprocessing, preprocessing.size
        self.crop, self.batch_size = preprocessing.crop(), batch_size
        self.workers = default_workers() if workers is None else workers
        self.pinned = pinned

    def batches(self, items: Iterable[Any]) -> Generator[ImageBatch, None, None]:
        """The batches, in the order of ``items``; to be closed if it is left before its end.

        Raises:
            UserError: an item is nothing that could be an image, or a process came to a sudden end.
        """
        prepared = chain.from_iterable(map(self._prepare, items))
        chunks = iter(lambda: list(islice(prepared, self.batch_size)), [])
        first = list(islice(chunks, 2))
        # Processes are worth their start for two batches of files or more.
        files = any(isinstance(item, str) for chunk in first for item in chunk)
        loader = DataLoader(
            _Decoded(self),
            batch_sampler=chain(first, chunks),
            num_workers=self.workers if files and len(first) > 1 else 0,
            collate_fn=self.collate,
            generator=torch.Generator(),  # the global one stays as it is
            pin_memory=self.pinned,
        )
        try:
            yield from loader
        except RuntimeError as error:
            if "DataLoader worker" not in str(error):
                raise
            raise UserError(
                "images: a process that decodes them ended suddenly (out of memory, or an image "
                "that crashes the decoder); give fewer workers, or 0"
            ) from error

    def ready(self, batch: ImageBatch, device: torch.device) -> Tensor | None:
        """(B, 3, H, W) on ``device``, as the image tower takes them."""
        if batch.pixels is None:
            return None
        pixels = batch.pixels.to(device, non_blocking=True)
        return self._normalised(pixels)

    def collate(self, images: list[Tensor | ImageError]) -> ImageBatch:
        """What the loader does with the images of a batch."""
        read = [image for image in images if isinstance(image, Tensor)]
        failed = {
            place: image for place, image in enumerate(images) if isinstance(image, ImageError)
        }
        if len({image.dtype for image in read}) > 1:
            read = [self._normalised(image[None])[0] for image in read]
        return ImageBatch(torch.stack(read) if read else None, failed, len(images))

    def _normalised(self, pixels: Tensor) -> Tensor:
        return self.preprocessing.normalised(pixels) if pixels.dtype == torch.uint8 else pixels

    def _prepare(self, item: Any) -> Iterator[Prepared]:
        """What is in memory is made ready here; files are left to the workers."""
        path = getattr(item, "path", item)  # of an image with labels, as softcpt.load_data gives it
        if isinstance(path, (str, os.PathLike)):
            yield os.fspath(path)
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

    def of_rgb(self, image: Image.Image) -> Tensor:
        """An RGB image -> bytes (H, W, 3), resized and cut."""
        return torch.from_numpy(np.array(self.crop(image)))

    def _of_image(self, image: Image.Image) -> Tensor | ImageError:
        try:
            return self.of_rgb(as_rgb(image))
        except Exception as error:  # noqa: BLE001 - damaged bytes make Pillow raise nearly any
            reason = reason_of(error)
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
    """Maps what is prepared to an image, or what is wrong with it."""

    def __init__(self, stream: ImageStream) -> None:
        self.stream = stream

    def __getitem__(self, item: Prepared) -> Tensor | ImageError:
        if not isinstance(item, str):
            return item
        try:
            return self.stream.of_rgb(read_image(item))
        except ImageError as error:
            return error
