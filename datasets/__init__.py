"""One file per data set; every file here is imported at start and registers its class."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def __getattr__(name: str) -> Any:
    """What Hugging Face's package of this name has, where it is installed: a checkout hides it, and
    ``datasets.load_dataset`` is to work there, too."""
    ours = any((Path(place) / f"{name}.py").is_file() for place in __path__)
    if __name__ == "datasets" and not ours and not name.startswith("__"):
        from softcpt.data.huggingface import huggingface_datasets
        from softcpt.errors import UserError

        try:
            return getattr(huggingface_datasets(f"datasets.{name} is Hugging Face's"), name)
        except UserError as error:
            raise AttributeError(str(error)) from error
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
