"""Where a CLIP model comes from: OpenAI's names and file format, folders like the embedded model's,
open_clip."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import fields
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import open_clip
import torch
from open_clip.model import build_model_from_openai_state_dict
from timm.layers.norm_act import BatchNormAct2d
from timm.models.efficientnet import EfficientNet
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from softcpt.clip.bare_model import COPY_AGAIN, fill_masks, product, without_weights
from softcpt.clip.no_downloads import no_downloads, not_on_this_machine
from softcpt.clip.preprocessing import Preprocessing
from softcpt.clip.weights import OPENAI_WEIGHTS, as_state_dict, openai_weights, read_state_dict
from softcpt.errors import UserError
from softcpt.text.open_clip_parts import ClipModel
from softcpt.utils.kinds import wrong_value
from softcpt.utils.suggest import did_you_mean
from softcpt.utils.text_files import read_json
from softcpt.utils.typed import read_mapping

TINY = Path(__file__).parents[1] / "assets" / "tiny"

_FILE_SUFFIXES = (".pt", ".pth", ".safetensors", ".npz", ".bin", ".tar")
_SCHEMAS = ("hf-hub:", "local-dir:")
_VOCABULARY = 49408
# Without these no layout of OpenAI's can be deduced.
_CORNERSTONES = (
    "visual.conv1.weight",
    "token_embedding.weight",
    "positional_embedding",
    "ln_final.weight",
    "text_projection",
    "logit_scale",
)


class LoadedModel(NamedTuple):
    """A model as its author left it: fp32, on the CPU, in eval mode.

    ``weights`` are the tensors as stored where the model's own are computed from them, else None;
    ``file`` is the file or folder that was given by its path, else None.
    """

    name: str
    model: ClipModel
    preprocessing: Preprocessing
    weights: dict[str, Tensor] | None = None
    file: Path | None = None


def load_model(
    name: str | os.PathLike[str] | Mapping[str, Any],
    cache_dir: str | os.PathLike[str] | None,
    may_download: bool = True,
) -> LoadedModel:
    """Find out what ``name`` means (see :func:`softcpt.clip.model.load_clip`) and read it.

    Args:
        name: what to load.
        cache_dir: where downloaded weights are looked for first, and kept.
        may_download: whether weights that are not on this machine are downloaded.

    Raises:
        UserError: for an unknown name, missing or damaged weights, and models with another
            tokenizer than CLIP's.
    """
    if isinstance(name, Mapping):
        return _from_openai_format("state dict", as_state_dict(name, "state dict"))
    name = os.fspath(name)
    if name == "tiny":
        return _from_folder(TINY)
    if name in OPENAI_WEIGHTS:
        return _from_openai_format(
            name, read_state_dict(openai_weights(name, cache_dir, may_download))
        )
    if name.startswith(_SCHEMAS):
        return _from_open_clip(name, None, cache_dir, may_download)
    path = Path(name).expanduser()
    if path.is_dir():
        return _from_folder(path)._replace(file=path.absolute())
    model_name, _, pretrained = name.partition("/")
    if pretrained and not path.is_file() and model_name in open_clip.list_models():
        weights = Path(pretrained)
        loaded = _from_open_clip(model_name, pretrained, cache_dir, may_download)
        return loaded._replace(file=weights.absolute() if weights.is_file() else None)
    if path.is_file() or path.suffix in _FILE_SUFFIXES:
        loaded = _from_openai_format(str(path), read_state_dict(path))
        return loaded._replace(name=path.name, file=path.absolute())
    raise _unknown(name)


def _unknown(name: str) -> UserError:
    own = ["tiny", *OPENAI_WEIGHTS]
    pairs = [f"{model}/{tag}" for model, tag in open_clip.list_pretrained()]
    near = did_you_mean(name, [*pairs, *own])
    hint = f"{near} Known" if near else "known"
    return UserError(
        f"{name}: no such model or file; {hint} are {', '.join(own)}, open_clip pairs such as "
        "ViT-B-32/laion2b_s34b_b79k, and paths of weights files"
    )


def _from_openai_format(name: str, state: dict[str, Tensor]) -> LoadedModel:
    """Build the architecture that the shapes tell; ``state`` itself becomes the weights, nothing is
    copied."""
    missing = [key for key in _CORNERSTONES if key not in state]
    if missing:
        raise UserError(
            f"{name}: not a CLIP model in OpenAI's format ({missing[0]!r} is missing); check the "
            "file"
        )
    vocabulary = len(state["token_embedding.weight"]) if state["token_embedding.weight"].ndim else 0
    if vocabulary != _VOCABULARY:
        raise _other_tokenizer(name, f"its vocabulary has {vocabulary} tokens")
    try:
        with torch.device("meta"):
            shapes = {key: torch.empty_like(value, device="meta") for key, value in state.items()}
            model = build_model_from_openai_state_dict(shapes, cast_dtype=None)
        model.load_state_dict(state, assign=True)
    except (
        KeyError,
        IndexError,
        ValueError,
        AssertionError,
        RuntimeError,
        ArithmeticError,
        TypeError,
        AttributeError,
    ) as error:
        raise _misfit(name, error) from error
    model.attn_mask = torch.full((model.context_length,) * 2, float("-inf")).triu_(1)
    return LoadedModel(name, model, Preprocessing(_side(model.visual.image_size, name)))


def _from_folder(folder: Path) -> LoadedModel:
    """Read ``<folder>/<folder's name>.json`` and ``.safetensors``, the layout of the embedded model
    (its README.md)."""
    config, stored = _folder_files(folder)
    _refuse_other_tokenizer(folder.name, config["model_cfg"]["text_cfg"])
    try:
        model = without_weights(config["model_cfg"], len(stored))
        model.load_state_dict(_materialised(stored), assign=True)
        fill_masks(model)
        preprocessing = read_mapping(Preprocessing, config["preprocess"], f"{folder}: preprocess")
    except UserError:
        raise
    except Exception as error:  # sizes that do not go together make open_clip and torch raise any
        raise _misfit(str(folder), error) from error
    if isinstance(getattr(model.visual, "trunk", None), EfficientNet):
        _fold_batch_norms(model.visual.trunk)
    return LoadedModel(folder.name, model, preprocessing, stored)


def folder_config_and_weights(folder: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The configuration and the weights of a folder like the embedded model's, as open_clip takes
    them.

    Raises:
        UserError: there is no model.
    """
    config, stored = _folder_files(folder)
    return config, {name: tensor.float() for name, tensor in _materialised(stored).items()}


def _folder_files(folder: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The configuration and the tensors as they are stored."""
    config_path, weights_path = (
        folder / f"{folder.name}.json",
        folder / f"{folder.name}.safetensors",
    )
    if not config_path.is_file():
        raise UserError(
            f"{folder}: no model there ({config_path.name} is missing); for the embedded one "
            "install softcpt again"
        )
    config = read_json(config_path, "model", COPY_AGAIN)
    if not isinstance(config, dict):
        raise UserError(f"model {config_path}: no mapping of keys; {COPY_AGAIN}")
    fault = wrong_value(config, {"model_cfg": dict, "preprocess": dict})
    fault = fault or wrong_value(config["model_cfg"], {"text_cfg": dict, "vision_cfg": dict})
    if fault:
        raise UserError(f"model {config_path}: damaged ({fault}); {COPY_AGAIN}")
    return config, read_state_dict(weights_path)


def _materialised(stored: dict[str, Tensor]) -> dict[str, Tensor]:
    """Multiply tables kept as ``<key>.left`` (V, r) and ``<key>.right`` (r, d) back to ``<key>``
    (V, d)."""
    state = dict(stored)
    for left in [key for key in stored if key.endswith(".left")]:
        key = left.removesuffix(".left")
        right = state.pop(f"{key}.right", None)
        if right is None:
            raise UserError(f"model: {key}.right is missing beside {left}; {COPY_AGAIN}")
        state[key] = product(key, state.pop(left), right)
    return state


def _fold_batch_norms(trunk: EfficientNet) -> None:
    """Move every batch norm into the convolution before it: 1.7 times as many images a second, 1e-6
    away in fp32.

    Only for timm's EfficientNets: there, a norm's input is always the module defined just before
    it.
    """
    for module in list(trunk.modules()):
        for (conv_name, conv), (norm_name, norm) in pairwise(list(module.named_children())):
            if isinstance(conv, nn.Conv2d) and isinstance(norm, BatchNormAct2d):
                setattr(module, conv_name, fuse_conv_bn_eval(conv, norm))
                setattr(module, norm_name, norm.act)


def _from_open_clip(
    model_name: str,
    pretrained: str | None,
    cache_dir: str | os.PathLike[str] | None,
    may_download: bool,
) -> LoadedModel:
    name = f"{model_name}/{pretrained}" if pretrained else model_name
    tag = open_clip.get_pretrained_cfg(model_name, pretrained) if pretrained else {}
    if pretrained and not tag and not Path(pretrained).is_file():
        tags = ", ".join(open_clip.list_pretrained_tags_by_model(model_name))
        raise UserError(
            f"{name}: {pretrained!r} is neither a file nor a tag of {model_name}; its tags are "
            f"{tags}"
        )
    refused: list[str] = []
    downloads = nullcontext() if may_download else no_downloads(refused)
    try:
        with _root_logger_as_it_is(), _weights_read_as_data(), downloads:
            _refuse_other_tokenizer(name, open_clip.get_model_config(model_name)["text_cfg"])
            model = open_clip.create_model(
                model_name,
                pretrained,
                force_quick_gelu=bool(tag.get("quick_gelu")),
                cache_dir=None if cache_dir is None else os.fspath(cache_dir),
                require_pretrained=True,
            )
    except UserError:
        raise
    # The network, a damaged file or a wrong configuration make it raise nearly anything.
    except Exception as error:
        if refused:
            raise not_on_this_machine(name) from error
        raise UserError(
            f"{name}: open_clip could not load it ({_one_line(error)}); check name, files and "
            "network"
        ) from error
    settings = open_clip.get_model_preprocess_cfg(model)
    if settings["resize_mode"] not in ("shortest", "squash"):
        raise UserError(
            f"{name}: images resized by {settings['resize_mode']!r} are not supported; choose "
            "another model"
        )
    kept = {field.name: settings[field.name] for field in fields(Preprocessing)}
    return LoadedModel(
        name, model.eval(), Preprocessing(**{**kept, "size": _side(settings["size"], name)})
    )


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


def _side(size: int | tuple[int, int], name: str) -> int:
    height, width = (size, size) if isinstance(size, int) else size
    if height != width:
        raise UserError(
            f"{name}: its images are {height} x {width}; only square ones are supported, choose "
            "another model"
        )
    return height


def _refuse_other_tokenizer(name: str, text_cfg: Mapping[str, Any]) -> None:
    for key in ("hf_tokenizer_name", "hf_model_name", "tokenizer_kwargs"):
        if text_cfg.get(key):
            raise _other_tokenizer(name, f"{key} = {text_cfg[key]}")
    if text_cfg.get("vocab_size", _VOCABULARY) != _VOCABULARY:
        raise _other_tokenizer(name, f"its vocabulary has {text_cfg['vocab_size']} tokens")


def _other_tokenizer(name: str, reason: str) -> UserError:
    return UserError(
        f"{name}: its tokenizer is not CLIP's ({reason}); choose a model with CLIP's byte-pair "
        "encoding"
    )


def _misfit(name: str, error: Exception) -> UserError:
    return UserError(
        f"{name}: the tensors make no CLIP model ({_one_line(error)}); check that the file is the "
        "right one"
    )


def _one_line(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:300]
