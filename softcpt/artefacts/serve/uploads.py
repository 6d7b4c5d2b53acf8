"""Reads the images of an upload one after the other, and stops at the first byte too many.

Frameworks put a whole upload into files or memory before they show it. Here one image is in memory
at a time, and what is too large is refused while it is read.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

import anyio
from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header
from starlette.requests import Request

from softcpt.artefacts.serve.limits import Limits, Refused, in_millions

_FIELD_BYTES = 10_000  # of a field that is no file, such as the task's name, and of a part's head
_SILENCE = 30.0  # seconds without a byte after which a sender is given up


class Upload:
    """A request with ``multipart/form-data``.

    Args:
        request: its body is read once, by :meth:`images`.
        limits: what it may have.
        known: names of the fields that are no files.

    Attributes:
        fields: those that were read so far; all of them once :meth:`images` has ended.
    """

    def __init__(self, request: Request, limits: Limits, known: frozenset[str]) -> None:
        self.fields: dict[str, str] = {}
        self._request, self._limits, self._known = request, limits, known
        self._images = 0
        self._whole: list[tuple[str, bytes]] = []  # images that are read and not yet given out
        self._header = bytearray(), bytearray()
        self._disposition = b""
        self._field, self._file, self._content = "", "", bytearray()
        self._most = 0  # bytes that the part may have

    async def images(self) -> AsyncIterator[tuple[str, bytes]]:
        """Name and bytes of each image file, in order.

        Raises:
            Refused: it is too large, or no such form.
        """
        parser = self._parser()
        async with aclosing(_chunks(self._request, self._limits)) as chunks:
            async for chunk in chunks:
                self._fed(parser, chunk)
                while self._whole:
                    yield self._whole.pop(0)
        if parser.state.name != "END":
            raise Refused(400, "form: it ends too early; send it again")

    def _parser(self) -> MultipartParser:
        kind, options = parse_options_header(self._request.headers.get("content-type", ""))
        if kind != b"multipart/form-data" or not options.get(b"boundary"):
            raise Refused(
                415, "form: send multipart/form-data with the images as files, such as curl -F does"
            )
        if int(self._request.headers.get("content-length", 0)) > self._limits.request_bytes:
            raise _too_much(self._limits)
        callbacks = {
            "on_part_begin": self._part_begins,
            "on_header_field": lambda *part: self._header_goes_on(0, *part),
            "on_header_value": lambda *part: self._header_goes_on(1, *part),
            "on_header_end": self._header_ends,
            "on_headers_finished": self._content_begins,
            "on_part_data": self._content_goes_on,
            "on_part_end": self._part_ends,
        }
        return MultipartParser(options[b"boundary"], callbacks)  # type: ignore[arg-type]

    @staticmethod
    def _fed(parser: MultipartParser, chunk: bytes) -> None:
        try:
            parser.write(chunk)
        except FormParserError as error:
            raise Refused(400, f"form: it is damaged ({error}); send it again") from error

    # -- what the parser calls -----------------------------------------------------------------

    def _part_begins(self) -> None:
        self._disposition, self._content = b"", bytearray()

    def _header_goes_on(self, part: int, data: bytes, start: int, end: int) -> None:
        if len(self._header[part]) + end - start > _FIELD_BYTES:
            raise Refused(413, "form: the head of a part is too long; use shorter file names")
        self._header[part].extend(data[start:end])

    def _header_ends(self) -> None:
        name, value = (bytes(part) for part in self._header)
        self._header = bytearray(), bytearray()
        if name.lower() == b"content-disposition":
            self._disposition = value

    def _content_begins(self) -> None:
        _, options = parse_options_header(self._disposition)
        self._field = options.get(b"name", b"").decode("utf-8", "replace")
        name = options.get(b"filename")
        self._file = "" if name is None else name.decode("utf-8", "replace") or "image"
        self._most = self._limits.image_bytes if self._file else _FIELD_BYTES
        if self._file:
            self._images += 1
            if self._images > self._limits.images:
                raise Refused(
                    413, f"more than {self._limits.images} images in a request; send several"
                )
        elif self._field not in self._known:
            names = ", ".join(sorted(self._known))
            raise Refused(400, f"field '{self._field}': unknown; there are {names}, and files")

    def _content_goes_on(self, data: bytes, start: int, end: int) -> None:
        if len(self._content) + end - start > self._most:
            what = f"image '{self._file}'" if self._file else f"field '{self._field}'"
            size = f"{in_millions(self._most)} MB" if self._file else f"{self._most:,} bytes"
            raise Refused(413, f"{what}: larger than {size}; make it smaller")
        self._content += data[start:end]

    def _part_ends(self) -> None:
        content, self._content = bytes(self._content), bytearray()
        if self._file:
            self._whole.append((self._file, content))
        else:
            self.fields[self._field] = content.decode("utf-8", "replace")


async def _chunks(request: Request, limits: Limits) -> AsyncGenerator[bytes, None]:
    """The body as it arrives."""
    read, stream = 0, request.stream()
    while True:
        try:
            with anyio.fail_after(_SILENCE):
                chunk = await anext(stream, None)
        except TimeoutError:
            raise Refused(408, "form: nothing came for a while; send it again") from None
        if chunk is None:
            return
        read += len(chunk)
        if read > limits.request_bytes:
            raise _too_much(limits)
        yield chunk


def _too_much(limits: Limits) -> Refused:
    return Refused(
        413,
        f"request: larger than {limits.images} images of {in_millions(limits.image_bytes)} MB; "
        "send fewer or smaller ones",
    )
