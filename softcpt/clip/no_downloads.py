"""Loads models from what is on this machine alone, and says how to get what is not."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn
from unittest import mock

from softcpt.errors import UserError


def not_on_this_machine(name: str, looked_for: Sequence[Path] = ()) -> UserError:
    """The one line that is said of weights that are missing and may not be downloaded."""
    places = f" (looked for {' and '.join(map(str, looked_for))})" if looked_for else ""
    command = f"python -c \"import softcpt; softcpt.load_clip('{name}')\""
    return UserError(f"{name}: its weights are not on this machine{places}; `{command}` gets them")


@contextmanager
def no_downloads(refused: list[str]) -> Iterator[None]:
    """Inside, open_clip and huggingface_hub find what is in their caches and download nothing;
    ``refused`` gets a word for each download that they tried."""
    import huggingface_hub.constants
    import open_clip.pretrained
    from huggingface_hub import hf_hub_download

    def from_cache(*args: Any, **kwargs: Any) -> Any:
        try:
            return hf_hub_download(*args, **{**kwargs, "local_files_only": True})
        except Exception:
            refused.append("hub")
            raise

    def refuse(url: Any, *_: object, **__: object) -> NoReturn:
        refused.append(str(url))
        raise OSError(f"{url}: not downloaded")

    with (
        mock.patch.object(open_clip.pretrained, "hf_hub_download", from_cache),
        mock.patch.object(huggingface_hub.constants, "HF_HUB_OFFLINE", True),
        mock.patch.object(urllib.request, "urlopen", refuse),
    ):
        yield
