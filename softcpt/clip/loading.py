"""Where a CLIP model comes from: OpenAI's names and file format, folders like the embedded model's,
open_clip."""

from __future__ import annotations

import os
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import open_clip
import torch
from open_clip.model import build_model_from_openai_state_dict
from timm.layers.norm_act import BatchNormAct2d
from timm.models.efficientnet import EfficientNet
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from softcpt.clip.bare_model import COPY_AGAIN, fill_masks, product, without_weights
from softcpt.clip.loaded_model import LoadedModel, image_side
from softcpt.clip.open_clip_models import LOCAL, SCHEMAS, is_open_clip_folder, load_open_clip
from softcpt.clip.preprocessing import Preprocessing
from softcpt.clip.text_files import VOCABULARY
from softcpt.clip.weights import OPENAI_WEIGHTS, as_state_dict, openai_weights, read_state_dict
from softcpt.errors import UserError, named_reason_of
from softcpt.utils.kinds import wrong_value
from softcpt.utils.suggest import did_you_mean
from softcpt.utils.text_files import read_json
from softcpt.utils.typed import read_mapping

TINY = Path(__file__).parents[1] / "assets" / "tiny"

_FILE_SUFFIXES = (".pt", ".pth", ".safetensors", ".npz", ".bin", ".tar")
# Without these no layout of OpenAI's can be deduced.
_CORNERSTONES = (
    "visual.conv1.weight",
    "token_embedding.weight",
    "positional_embedding",
    "ln_final.weight",
    "text_projection",
    "logit_scale",
)


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
        UserError: for an unknown name, missing or damaged weights, and a tokenizer that is missing.
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
    if name.startswith(SCHEMAS):
        return load_open_clip(name, None, cache_dir, may_download)
    path = Path(name).expanduser()
    if path.is_dir() and is_open_clip_folder(path):
        loaded = load_open_clip(f"{LOCAL}{path}", None, cache_dir, may_download)
        return loaded._replace(name=path.absolute().name, file=path.absolute())
    if path.is_dir():
        return _from_folder(path)._replace(file=path.absolute())
    model_name, _, pretrained = name.partition("/")
    if pretrained and not path.is_file() and model_name in open_clip.list_models():
        weights = Path(pretrained)
        loaded = load_open_clip(model_name, pretrained, cache_dir, may_download)
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
    if vocabulary != VOCABULARY:
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
    return LoadedModel(name, model, Preprocessing(image_side(model.visual.image_size, name)))


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
    except UserError as error:
        raise UserError(f"{folder}: {str(error).removeprefix(f'{folder}: ')}") from error
    except Exception as error:  # sizes that do not go together make open_clip and torch raise any
        raise _misfit(str(folder), error) from error
    trunk = getattr(model.visual, "trunk", None)
    if isinstance(trunk, EfficientNet):
        _fold_batch_norms(trunk)
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


def _refuse_other_tokenizer(name: str, text_cfg: Mapping[str, Any]) -> None:
    for key in ("hf_tokenizer_name", "hf_model_name", "tokenizer_kwargs"):
        if text_cfg.get(key):
            raise _other_tokenizer(name, f"{key} = {text_cfg[key]}")
    if text_cfg.get("vocab_size", VOCABULARY) != VOCABULARY:
        raise _other_tokenizer(name, f"its vocabulary has {text_cfg['vocab_size']} tokens")


def _other_tokenizer(name: str, reason: str) -> UserError:
    return UserError(
        f"{name}: its tokenizer is not CLIP's ({reason}), which this format has no place for; give "
        "it as open_clip keeps it, local-dir:FOLDER"
    )


def _misfit(name: str, error: Exception) -> UserError:
    return UserError(
        f"{name}: the tensors make no CLIP model ({named_reason_of(error)}); check that the file "
        "is the right one"
    )
