"""Keeps images that were given in memory as files, so that every image has a path."""

from __future__ import annotations

import hashlib
import io
import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from softcpt.errors import UserError
from softcpt.utils.files import atomic_write, cache_folder
from softcpt.utils.rgb import as_rgb


def kept_image(image: Any) -> str:
    """The path of an image that was given in any form.

    A path is made absolute and its file stays where it is. Everything else becomes a file
    ``images/<sha256 of its content>`` in the user's cache
    (:func:`softcpt.utils.files.cache_folder`): an encoded file as it is, pixels as PNG, which loses
    nothing. The same image is kept once.

    Args:
        image: a path; the bytes of an image file; a PIL image; an array (H, W), (H, W, 1), (H, W,
            3) or (H, W, 4); a tensor (1, H, W), (3, H, W) or (H, W). Arrays and tensors are 8-bit,
            or floating point from 0 to 1.

    Raises:
        UserError: there is no such file, or it is nothing of these.
    """
    if isinstance(image, (str, os.PathLike)):
        path = Path(image).expanduser().absolute()
        if not path.is_file():
            raise UserError(f"image {path}: no such file; correct the path")
        return str(path)
    if isinstance(image, (bytes, bytearray)):
        return _kept_file(bytes(image))
    if isinstance(image, torch.Tensor):
        image = _array(image)
    if isinstance(image, np.ndarray):
        image = _picture(image)
    if not isinstance(image, Image.Image):
        raise UserError(
            f"image of type {type(image).__name__}: it cannot be read; give a path, a PIL image, "
            "an array or a tensor"
        )
    try:
        return _kept_pixels(as_rgb(image))
    except ValueError as error:  # 32 bits per pixel
        raise UserError(f"image in memory: {error}") from error


def _kept_file(content: bytes) -> str:
    try:
        with Image.open(io.BytesIO(content)) as image:
            ending = (image.format or "image").lower()
    except Exception as error:  # Pillow's plug-ins raise nearly any type
        raise UserError(
            f"image in memory: {len(content):,} bytes that are no image that Pillow knows; take it "
            "out"
        ) from error
    path = _place(hashlib.sha256(content).hexdigest(), {"jpeg": "jpg"}.get(ending, ending))
    if not path.is_file():
        with atomic_write(path, flush=False) as temporary:
            temporary.write_bytes(content)
    return str(path)


def _kept_pixels(image: Image.Image) -> str:
    described = f"{image.width} {image.height} ".encode()
    path = _place(hashlib.sha256(described + image.tobytes()).hexdigest(), "png")
    if not path.is_file():
        with atomic_write(path, flush=False) as temporary:
            # A copy without what else the image carries (EXIF, a colour profile).
            plain = Image.frombytes("RGB", image.size, image.tobytes())
            plain.save(temporary, "PNG", compress_level=1)
    return str(path)


def _place(digest: str, ending: str) -> Path:
    return cache_folder().absolute() / "images" / f"{digest}.{ending}"


def _array(image: torch.Tensor) -> np.ndarray[Any, Any]:
    pixels = image.detach().cpu()
    if pixels.ndim == 3:  # (channels, H, W), as torchvision has it
        pixels = pixels.permute(1, 2, 0)
    if pixels.dtype is torch.bfloat16:
        pixels = pixels.float()
    return np.asarray(pixels.numpy())


def _picture(pixels: np.ndarray[Any, Any]) -> Image.Image:
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[:, :, 0]
    if pixels.ndim != 2 and not (pixels.ndim == 3 and pixels.shape[2] in (3, 4)):
        raise UserError(
            f"image of shape {tuple(pixels.shape)}: not an image; arrays are (H, W, 3), tensors "
            "(3, H, W)"
        )
    if pixels.dtype.kind == "f":
        if not (pixels.min() >= 0 and pixels.max() <= 1):
            raise UserError(
                f"image with values from {pixels.min():.3g} to {pixels.max():.3g}: floating point "
                "is 0 to 1; give images that are not normalised yet, the CLIP's own pre-processing "
                "follows"
            )
        pixels = np.rint(pixels * 255).astype(np.uint8)
    if pixels.dtype != np.uint8:
        raise UserError(f"image of {pixels.dtype}: give uint8, or floating point from 0 to 1")
    return Image.fromarray(np.ascontiguousarray(pixels))
