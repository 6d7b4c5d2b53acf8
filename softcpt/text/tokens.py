"""Token ids of many texts. Those of thousands are kept in the user's cache: CLIP's tokenizer takes
a second for the names of ImageNet-21k, in every run again.
"""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Sequence
from contextlib import suppress
from importlib import metadata
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from open_clip.tokenizer import SimpleTokenizer

from softcpt.errors import UserError
from softcpt.utils.files import atomic_write, cache_folder

if TYPE_CHECKING:
    from softcpt.text.prompts import Tokenizer

# From so many texts on their tokens are kept: a quarter of a second's work.
MANY = 5000
_DIGEST = hashlib.sha256().digest_size


def encoded(tokenizer: Tokenizer, texts: Sequence[str]) -> list[list[int]]:
    """``tokenizer.encode(text)`` of each of ``texts``.

    Where they are :data:`MANY` and the tokenizer is CLIP's, they are read from
    ``<cache>/tokens``. A file is of one list of texts and one tokenizer, and has a checksum: what
    is damaged is made again. Where the cache cannot be written to, nothing is kept.
    """
    if len(texts) < MANY or not isinstance(tokenizer, SimpleTokenizer):
        return [tokenizer.encode(text) for text in texts]
    path = cache_folder() / "tokens" / f"{_key(tokenizer, texts)}.bin"
    found = _read(path, len(texts))
    if found is None:
        found = [tokenizer.encode(text) for text in texts]
        with suppress(UserError):
            _write(path, found)
    return found


def _key(tokenizer: SimpleTokenizer, texts: Sequence[str]) -> str:
    """What the tokens depend on: the vocabulary, what cleans texts and splits them, and these."""
    cleaning = [metadata.version(name) for name in ("open_clip_torch", "ftfy", "regex")]
    cleaning += [unicodedata.unidata_version, tokenizer.clean_fn.__name__, tokenizer.pat.pattern]
    known = json.dumps([cleaning, list(tokenizer.encoder), list(texts)])
    return hashlib.sha256(known.encode()).hexdigest()


def _write(path: Path, tokens: Sequence[Sequence[int]]) -> None:
    """A checksum, the texts' lengths, then all ids, little-endian int32."""
    numbers = np.fromiter(chain(map(len, tokens), chain.from_iterable(tokens)), "<i4")
    content = numbers.tobytes()
    with atomic_write(path, flush=False) as temporary:
        temporary.write_bytes(hashlib.sha256(content).digest() + content)


def _read(path: Path, count: int) -> list[list[int]] | None:
    """The ids of ``count`` texts; None: there is no such file, or it is damaged."""
    try:
        whole = path.read_bytes()
    except OSError:
        return None
    checksum, content = whole[:_DIGEST], whole[_DIGEST:]
    if hashlib.sha256(content).digest() != checksum:
        return None
    numbers = np.frombuffer(content, "<i4")
    ends = np.cumsum(numbers[:count]).tolist()
    ids: list[int] = numbers[count:].tolist()
    return [ids[start:end] for start, end in zip([0, *ends], ends)]
