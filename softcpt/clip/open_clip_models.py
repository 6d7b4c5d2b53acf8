"""Models of open_clip: pairs ``<model>/<pretrained>``, repositories of the hub, folders."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, cast
from unittest import mock

import open_clip
from open_clip.coca_model import CoCa
from open_clip.model import CustomTextCLIP
from torch import nn

from softcpt.clip.loaded_model import LoadedModel
from softcpt.clip.no_downloads import no_downloads, not_on_this_machine
from softcpt.clip.published_preprocessing import as_preprocessing, of_file
from softcpt.clip.text_files import text_config, tokenizer_of
from softcpt.clip.weights import read_state_dict
from softcpt.errors import UserError, named_reason_of
from softcpt.text.open_clip_parts import ClipModel

LOCAL = "local-dir:"
SCHEMAS = ("hf-hub:", LOCAL)
CONFIG = "open_clip_config.json"
_log = logging.getLogger(__name__)


def load_open_clip(
    model_name: str,
    pretrained: str | None,
    cache_dir: str | os.PathLike[str] | None,
    may_download: bool,
) -> LoadedModel:
    """Read a model with open_clip, and its own tokenizer if that is not CLIP's.

    Args:
        model_name: open_clip's name of an architecture, or one with a schema.
        pretrained: a tag or a file of weights; None: ``model_name`` has a schema.
        cache_dir: where downloaded files are looked for first, and kept.
        may_download: whether files that are not on this machine are downloaded.

    Raises:
        UserError: there are no such weights, they or the tokenizer cannot be read, or the images
            are of a form that is not supported.
    """
    name = f"{model_name}/{pretrained}" if pretrained else model_name
    tag = _tag(name, model_name, pretrained)
    file = Path(pretrained) if pretrained and not tag else None
    cache = None if cache_dir is None else os.fspath(cache_dir)
    refused: list[str] = []
    downloads = nullcontext() if may_download else no_downloads(refused)
    try:
        with _root_logger_as_it_is(), _weights_read_as_data(), downloads:
            text = open_clip.get_model_config(model_name)["text_cfg"]
            folder = _folder(model_name, file)
            tokenizer = tokenizer_of(name, text, folder, cache, may_download)
            model = open_clip.create_model(
                model_name,
                pretrained,
                force_quick_gelu=bool(tag.get("quick_gelu")),
                pretrained_text=False,
                cache_dir=cache,
                require_pretrained=True,
                **text_config(name, text, folder),
            )
    except UserError:
        raise
    # The network, a damaged file or a wrong configuration make it raise nearly anything.
    except Exception as error:
        if refused:
            raise not_on_this_machine(name) from error
        raise UserError(
            f"{name}: open_clip could not load it ({named_reason_of(error)}); check name, "
            "files and network"
        ) from error
    settings = open_clip.get_model_preprocess_cfg(model)
    if file is not None:
        settings = {**settings, **_published(name, model_name, settings)}
    images = as_preprocessing(settings, name)
    return LoadedModel(name, _two_towers(model.eval()), images, tokenizer=tokenizer)


def is_open_clip_folder(path: Path) -> bool:
    """Whether a folder is one that open_clip reads, as repositories of the hub are."""
    return (path / CONFIG).is_file()


def _tag(name: str, model_name: str, pretrained: str | None) -> Mapping[str, Any]:
    """What open_clip knows of the weights; nothing of a file's."""
    tag = open_clip.get_pretrained_cfg(model_name, pretrained) if pretrained else {}
    if pretrained and not tag and not Path(pretrained).is_file():
        tags = ", ".join(open_clip.list_pretrained_tags_by_model(model_name))
        raise UserError(
            f"{name}: {pretrained!r} is neither a file nor a tag of {model_name}; its tags are "
            f"{tags}"
        )
    return tag or {}


def _published(name: str, model_name: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """What the published weights of an architecture say of images; printed if it is not what
    open_clip would do."""
    found = of_file(model_name)
    other = [f"{key} {value}" for key, value in found.items() if settings[key] != value]
    if other:
        _log.info("%s: images as for its published weights: %s", name, ", ".join(other))
    return found


def _folder(model_name: str, file: Path | None) -> Path | None:
    """Where files of the text side may lie beside the weights."""
    if model_name.startswith(LOCAL):
        return Path(model_name.removeprefix(LOCAL))
    return None if file is None else file.parent


def _two_towers(model: Any) -> ClipModel:
    """The model; of a CoCa its towers as other models have them, which give features alone. What
    writes captions is left behind."""
    if not isinstance(model, CoCa):
        return cast(ClipModel, model)
    towers = cast(Any, CustomTextCLIP.__new__(CustomTextCLIP))
    nn.Module.__init__(towers)
    towers.visual, towers.text, towers.output_dict = model.visual, model.text, False
    towers.visual.output_tokens = towers.text.output_tokens = False
    towers.logit_scale, towers.logit_bias = model.logit_scale, model.logit_bias
    return cast(ClipModel, towers.eval())


@contextmanager
def _root_logger_as_it_is() -> Iterator[None]:
    """open_clip logs through the root logger, which would get a handler on stderr for good if it
    has none."""
    handler = logging.NullHandler()
    logging.getLogger().addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(handler)


@contextmanager
def _weights_read_as_data() -> Iterator[None]:
    """Let open_clip read its files with our reader: its own refuses JIT archives, or loads them and
    runs their code."""
    with mock.patch.object(
        open_clip.factory, "load_state_dict", lambda path, **_: read_state_dict(path)
    ):
        yield
