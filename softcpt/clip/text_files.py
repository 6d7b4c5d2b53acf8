"""The text side of open_clip's models: tokenizers that are not CLIP's, and text towers of
transformers; from files beside the weights where there are some, else from the hub."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from open_clip.tokenizer import HFTokenizer, SimpleTokenizer

from softcpt.errors import UserError, named_reason_of
from softcpt.text.own_tokenizer import OwnTokenizer
from softcpt.utils.requirements import is_installed

VOCABULARY = 49408  # of CLIP's tokenizer
_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.txt",
    "spiece.model",
    "sentencepiece.bpe.model",
    "tokenizer.model",
)
_log = logging.getLogger(__name__)


def tokenizer_of(
    name: str,
    text: Mapping[str, Any],
    folder: Path | None,
    cache: str | None,
    may_download: bool,
) -> OwnTokenizer | None:
    """The tokenizer that open_clip's configuration of a text tower names; None: CLIP's.

    Args:
        name: of the model, for messages.
        text: the configuration, ``text_cfg``.
        folder: where its files may lie.
        cache: folder of files from the hub; None: the hub's own.
        may_download: whether they are fetched.

    Raises:
        UserError: it is not on this machine and cannot be fetched, the package that reads it is
            not installed, or the configuration names none for a vocabulary that is not CLIP's.
    """
    source, length = text.get("hf_tokenizer_name"), int(text.get("context_length", 77))
    options = dict(text.get("tokenizer_kwargs") or {})
    if source:
        whole = _from_files(name, text, folder, cache, may_download)
        return OwnTokenizer(whole, length, name)
    if text.get("hf_model_name") or text.get("vocab_size", VOCABULARY) != VOCABULARY:
        raise UserError(
            f"{name}: its vocabulary is not CLIP's, and its configuration names no tokenizer "
            "(text_cfg.hf_tokenizer_name); choose another model"
        )
    return OwnTokenizer(SimpleTokenizer(**options), length, name) if options else None


def _from_files(
    name: str,
    text: Mapping[str, Any],
    folder: Path | None,
    cache: str | None,
    may_download: bool,
) -> HFTokenizer:
    source = str(text["hf_tokenizer_name"])
    _need_transformers(name, f"its tokenizer, {source},")
    beside = folder is not None and any((folder / file).is_file() for file in _FILES)
    options = dict(text.get("tokenizer_kwargs") or {})
    # Anybody may have written a configuration: it chooses no code.
    options |= {"trust_remote_code": False, "local_files_only": beside or not may_download}
    try:
        return HFTokenizer(
            str(folder) if beside else source,
            context_length=text.get("context_length", 77),
            cache_dir=cache,
            tokenizer_mode=text.get("tokenizer_mode"),
            **options,
        )
    # Files, the network and transformers' versions make it raise nearly anything.
    except Exception as error:
        where = f"in {folder} cannot be read" if beside else "is not on this machine"
        reason = named_reason_of(error).partition(". ")[0]
        raise UserError(
            f"{name}: its tokenizer {source} {where} ({reason}); put its files (tokenizer.json, "
            "tokenizer_config.json) beside the weights"
        ) from error


def text_config(name: str, text: Mapping[str, Any], folder: Path | None) -> dict[str, Any]:
    """Keywords of ``open_clip.create_model`` for a text tower of transformers; none for others.

    Its architecture is read from ``config.json`` in ``folder/<name of the text model>``, if that
    is there.

    Raises:
        UserError: transformers is not installed, or the architecture is not known to open_clip.
    """
    source = text.get("hf_model_name")
    if not source:
        return {}
    _need_transformers(name, f"its text tower, {source},")
    from open_clip.hf_configs import arch_dict
    from transformers import PretrainedConfig

    places = [] if folder is None else [folder / source, folder / Path(source).name]
    found = [place for place in places if (place / "config.json").is_file()]
    place = str(found[0]) if found else source
    try:
        config = PretrainedConfig.get_config_dict(place)[0]
    except OSError as error:
        raise UserError(
            f"{name}: the configuration of its text tower {source} is not on this machine "
            f"({named_reason_of(error)}); put its config.json into a folder {Path(source).name} "
            "beside the weights"
        ) from error
    kind = config.get("model_type")
    if kind not in arch_dict or "auto_map" in config:
        what = "needs code of its own" if kind in arch_dict else f"is of the kind {kind!r}"
        raise UserError(
            f"{name}: its text tower {source} {what}, and open_clip takes {', '.join(arch_dict)}; "
            "choose another model"
        )
    return {"text_cfg": {**text, "hf_model_name": place, "hf_model_pretrained": False}}


def _need_transformers(name: str, what: str) -> None:
    if not is_installed("transformers"):
        raise UserError(
            f"{name}: {what} is read by transformers, which is not installed; pip install "
            "transformers"
        )
