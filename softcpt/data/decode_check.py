"""Decodes every image of a data set, before a training does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

from tqdm import tqdm

from softcpt.errors import UserError
from softcpt.features.images import ImageError, read_image

_CHUNK = 16  # images that a process is handed at a time


def unreadable(paths: Sequence[str], workers: int) -> Iterator[str]:
    """A line for each of ``paths`` that :func:`softcpt.features.images.read_image` cannot read, in
    order, with a progress bar.

    Args:
        paths: image files.
        workers: processes that decode; 0: this one.

    Raises:
        UserError: a process came to a sudden end.
    """
    with tqdm(total=len(paths), unit="image", desc="decoding", delay=1) as bar:
        for problem in _problems(paths, workers):
            bar.update()
            if problem:
                yield problem


def problems(paths: Sequence[str], workers: int) -> list[str]:
    """What is wrong with each of ``paths``, as :func:`unreadable` says it; "": nothing.

    Raises:
        UserError: as :func:`unreadable`.
    """
    return list(tqdm(_problems(paths, workers), "decoding", len(paths), unit="image", delay=1))


def _problems(paths: Sequence[str], workers: int) -> Iterator[str]:
    if not workers or len(paths) <= _CHUNK:
        yield from map(_decode, paths)
        return
    with ProcessPoolExecutor(min(workers, -(-len(paths) // _CHUNK))) as pool:
        try:
            yield from pool.map(_decode, paths, chunksize=_CHUNK)
        except BrokenProcessPool as error:
            reason = "out of memory, or an image that crashes the decoder"
            raise UserError(
                f"check: a decoding process ended suddenly ({reason}); try with --workers 0"
            ) from error


def _decode(path: str) -> str:
    """What is wrong with an image; "" if nothing is."""
    try:
        read_image(path)
    except ImageError as error:
        return str(error)
    return ""
