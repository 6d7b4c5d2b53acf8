"""``load_clip``: any CLIP model behind one interface, frozen, at the run's precision."""

from __future__ import annotations

import functools
import hashlib
import logging
import os
from collections.abc import Hashable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import Any

import torch
from open_clip.tokenizer import SimpleTokenizer
from torch import Tensor, nn
from torchvision import transforms

from softcpt.clip.architecture import architecture_of
from softcpt.clip.loaded_model import LoadedModel
from softcpt.clip.loading import load_model
from softcpt.clip.local_features import with_local_embeddings
from softcpt.clip.precision import (
    WEIGHT_TYPES,
    autocast_type,
    hold_for_autocast,
    lower_precision,
    needs_loss_scaling,
    usable_precision,
)
from softcpt.clip.projection import Projection, encode_unprojected, project, projection
from softcpt.clip.weights import weights_locations
from softcpt.errors import UserError
from softcpt.text.encoder import TextEncoder
from softcpt.text.engine import why_not_exact
from softcpt.text.open_clip_parts import ClipModel, text_parts, token_embedding
from softcpt.text.own_tokenizer import PROBE, OwnTokenizer
from softcpt.text.packing import PackedPrompts
from softcpt.text.plain import PlainTextEncoder
from softcpt.text.prompt_list import PromptList
from softcpt.text.sharding import encode_prompts
from softcpt.text.tower import TextTower

_log = logging.getLogger(__name__)

__all__ = ["Clip", "load_clip", "weights_locations"]


class Clip(nn.Module):
    """A frozen two-tower model: parameters need no gradient, and it stays in eval mode for ever.
    :func:`load_clip` makes it.

    Args:
        source: the parts of a model that was read.
        precision: what it shall compute in.

    Attributes:
        name: what it was loaded as.
        file: the weights file or folder, where it was loaded by its path; else None.
        architecture: OpenAI's name of its architecture; None: it has another.
        model: the ``open_clip`` module (``model.visual``; text parts on ``model`` itself or on
            ``model.text``).
        tokenizer: CLIP's byte-pair encoding: ``encode(text) -> list[int]`` lower-cases, cleans, and
            adds no start or end token; ``sot_token_id``, ``eot_token_id``. Of a model with another
            one that: ``encode``, ``start``, ``end``. Both give ``tokenizer(texts)`` (N, T).
        exact: whether the exact engine encodes its prompts; else its plain text tower does, with
            all tokens of every prompt (:mod:`softcpt.text.plain`).
        precision: ``fp32``, ``fp16``, ``bf16`` or ``amp``; what is really used on this device.
        context_length: positions of the text tower (77) that a prompt may take.
        text_width: d, width of a token embedding.
        embed_dim: D, width of the joint space.
        preprocessing: how images become its input, see :meth:`preprocess`.
        image_size, image_mean, image_std, interpolation: parts of it.

    Example:
        >>> clip = softcpt.load_clip("tiny")
        >>> clip.precision, clip.embed_dim
        ('fp32', 256)
        >>> images = torch.zeros(2, 3, clip.image_size, clip.image_size)
        >>> clip.encode_image(images).shape
        torch.Size([2, 256])
    """

    model: ClipModel

    def __init__(self, source: LoadedModel, precision: str) -> None:
        super().__init__()
        name, model, preprocessing, weights, file, tokenizer = source
        self.name = name
        self.file = file
        self.model = model.requires_grad_(False)
        self._fingerprint = None if weights is None else _fingerprint(model, weights, tokenizer)
        self.architecture = architecture_of(model)
        self.precision = precision
        self.tokenizer = tokenizer or _tokenizer()
        self._why_not_exact = why_not_exact(model, self.tokenizer)
        self.exact = self._why_not_exact is None
        room = text_parts(model).context_length if tokenizer is None else tokenizer.room
        self.context_length = room
        embedding = token_embedding(model)
        self.text_width = 0 if embedding is None else embedding[1].embedding_dim
        self.embed_dim = _embed_dim(model)
        self.preprocessing = preprocessing
        self.image_size = preprocessing.size
        self.image_mean = tuple(preprocessing.mean)
        self.image_std = tuple(preprocessing.std)
        self.interpolation = preprocessing.interpolation
        super().train(False)

    def train(self, mode: bool = True) -> Clip:  # noqa: ARG002  nn.Module's signature
        """Stay in eval mode whatever ``mode`` says: batch statistics and dropout of a frozen model
        never run."""
        return super().train(False)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.model.logit_scale.device

    @property
    def dtype(self) -> torch.dtype:
        """What goes into the towers: the type of the weight matrices, and for ``amp`` fp32."""
        return WEIGHT_TYPES.get(self.precision, torch.float32)

    @property
    def needs_loss_scaling(self) -> bool:
        """Whether gradients go through fp16, so that a loss has to be scaled."""
        return needs_loss_scaling(self.precision, self.device)

    @property
    def logit_scale(self) -> Tensor:
        """Natural logarithm of CLIP's logit scale (0-dim, fp32)."""
        return self.model.logit_scale.detach().float().reshape(())

    @property
    def fingerprint(self) -> str:
        """sha256 (hex) over names, shapes and values of all weights and the kinds of weightless
        layers.

        It is the same for the same weights from any file format, at any precision and on any
        machine. Activations count because a tower with GELU and one with QuickGELU give different
        features from the same weights; a tokenizer that is not CLIP's, by what it makes of a
        sentence.
        """
        if self._fingerprint is None:
            own = self.tokenizer if isinstance(self.tokenizer, OwnTokenizer) else None
            self._fingerprint = _fingerprint(self.model, self.model.state_dict(), own)
        return self._fingerprint

    @functools.cached_property
    def text(self) -> TextEncoder | PlainTextEncoder:
        """The exact text engine over this model's text tower, at its precision; or the tower as it
        is, where that is not causal, or not read at the end of the text."""
        if self.exact:
            held = autocast_type(self.device) if self.precision == "amp" else None
            return TextEncoder(TextTower(self.model, self.dtype, held))
        own = isinstance(self.tokenizer, OwnTokenizer)
        length = self.tokenizer.length if own else self.context_length
        _log.info(
            "%s: its plain text tower encodes all %d tokens of every prompt and saves nothing: the "
            "exact engine does not fit it (%s)",
            self.name,
            length,
            self._why_not_exact,
        )
        return PlainTextEncoder(self.model, self.tokenizer, length)

    def embed_tokens(self, ids: Tensor) -> Tensor:
        """(n,) token ids, on any device -> (n, d) what goes into the text tower for them, before
        their places are added; no gradient passes."""
        ids = ids.to(self.device)
        if isinstance(self.text, PlainTextEncoder):
            return self.text.embed(ids)
        return self.text.tower.tokens[ids]

    def token_table(self) -> Tensor:
        """(V, d) :meth:`embed_tokens` of the whole vocabulary."""
        embedding = token_embedding(self.model)
        count = 0 if embedding is None else embedding[1].num_embeddings
        return self.embed_tokens(torch.arange(count))

    @property
    def prompt_form(self) -> Hashable:
        """What :meth:`prompts` depend on, beside their texts."""
        return self.tokenizer, self.context_length, self.text_width, self.exact

    def prompts(
        self,
        symbols: Sequence[Sequence[int]],
        groups: Sequence[int] | None = None,
        n_ctx: int = 0,
        share_prefix: bool | None = None,
    ) -> PromptList:
        """Prompts as :meth:`encode_prompts` takes them.

        Args:
            symbols: of each prompt its tokens, and where context vectors stand.
            groups: which context each prompt has; None: one each.
            n_ctx: vectors of a context.
            share_prefix: whether equal beginnings are encoded once; None: where it saves time. The
                plain tower encodes all.
        """
        if not self.exact:
            return PromptList(symbols, groups, n_ctx)
        return PackedPrompts(symbols, groups, n_ctx, self.text_width, share_prefix)

    def encode_prompts(
        self,
        layout: PromptList,
        contexts: Tensor | None = None,
        groups: Sequence[int] | None = None,
        deep: Tensor | None = None,
        prompts: Sequence[int] | Tensor | None = None,
        max_tokens: int | None = None,
    ) -> Tensor:
        """Text features (..., N, D) of prompts with contexts, not normalised; more in
        :meth:`softcpt.text.encoder.TextEncoder.forward`.

        Args:
            layout: N prompts in K groups with L context vectors each, of :meth:`prompts`.
            contexts: (..., K, L, d) vectors; None if L is 0.
            groups: only the prompts of these groups; None: all.
            deep: (blocks - 1, ..., K, L, d), in place of the contexts before every block but the
                first; None: what the block before gave.
            prompts: only these prompts, ascending; None: all of the groups.
            max_tokens: encode at most so many tokens at once and compute them again in the
                backward pass, which bounds memory; None: no bound.
        """
        with self.autocast():
            return encode_prompts(self.text, layout, contexts, groups, deep, prompts, max_tokens)

    def autocast(self) -> AbstractContextManager[object]:
        """Where this model computes: under autocast for ``amp`` (fp16 on CUDA, bf16 elsewhere),
        else as it is."""
        if self.precision != "amp":
            return nullcontext()
        return torch.autocast(self.device.type, dtype=autocast_type(self.device))

    def hold_for_autocast(self, device: torch.device) -> None:
        """Hold frozen matrices in the type that ``amp`` multiplies in on ``device``, before the
        model goes there."""
        _ = self.fingerprint  # while the weights still have all their bits
        with suppress(UserError):
            _ = self.projection  # heads train on it in fp32
        hold_for_autocast(self.model, autocast_type(device), text=not self.exact)
        if "projection" in vars(self):
            tower, weight, bias = self.projection
            kept = Projection(tower.to(device), weight.to(device), bias.to(device))
            vars(self)["projection"] = kept

    def encode_image(
        self, images: Tensor, grad: bool = False, spatial: bool = False, unprojected: bool = False
    ) -> Tensor:
        """Pre-processed images (B, 3, H, W) -> image features (B, D), fp32, not normalised.

        Args:
            images: on any device, of any floating type.
            grad: keep the graph back to ``images``.
            spatial: give (B, 1 + M, D): the pooled feature and those of M places of the image, all
                in the joint space.
            unprojected: give (B, D'): features in front of the projection into the joint space.

        Raises:
            UserError: with ``spatial`` or ``unprojected``, for a tower without such features; see
                :mod:`softcpt.clip.local_features` and :mod:`softcpt.clip.projection`.
        """
        images = images.to(self.device, self.dtype)
        with nullcontext() if grad else torch.no_grad(), self.autocast():
            if unprojected:
                return encode_unprojected(self.projection, images).float()
            if spatial:
                return with_local_embeddings(self.model.visual, images).float()
            features: Tensor = self.model.encode_image(images)
            return features.float()

    @functools.cached_property
    def projection(self) -> Projection:
        """The last linear layer of the image tower; see :func:`softcpt.clip.projection.projection`
        for what is refused."""
        return projection(self.model.visual)

    def project(self, features: Tensor) -> Tensor:
        """``features`` (B, D') in front of the projection -> (B, D) image features, fp32, not
        normalised."""
        return project(features, self.projection)

    @functools.cached_property
    def places(self) -> int:
        """M: places of an image with a feature of their own, see :meth:`encode_image`; found by
        encoding an image."""
        image = torch.zeros(1, 3, self.image_size, self.image_size)
        return self.encode_image(image, spatial=True).shape[1] - 1

    def preprocess(self, train: bool = False) -> transforms.Compose:
        """PIL image -> tensor (3, H, W): CLIP's transform, or with ``train`` CoOp's random crop and
        flip."""
        return self.preprocessing.transform(train)


def load_clip(
    name: str | os.PathLike[str] | Mapping[str, Any] = "tiny",
    precision: str = "fp32",
    device: str | torch.device | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
    may_download: bool = True,
) -> Clip:
    """Load a CLIP-like model, frozen.

    Args:
        name: one of

            * ``"tiny"``, the embedded model, or a folder of that layout;
            * OpenAI's names (``"RN50"`` ... ``"ViT-L/14@336px"``): found in ``cache_dir``,
              ``$SOFTCPT_WEIGHTS`` or ``~/.cache/clip``, else downloaded;
            * a file with OpenAI's tensor names: JIT archive, state dict, safetensors, npz. It is
              taken for a model with OpenAI's QuickGELU; one that open_clip trained is
              ``"<model>/<path>"``: ``"ViT-B-32/run/last.pt"``;
            * an open_clip pair ``"<model>/<pretrained>"``, ``"hf-hub:<repository>"`` or
              ``"local-dir:<folder>"``; tokenizers other than CLIP's are looked for beside the
              weights first;
            * a mapping from OpenAI's tensor names to tensors or arrays.
        precision: ``fp32``; ``fp16`` or ``bf16`` (matrices in that type, normalisations and
            embeddings in fp32, as OpenAI converts); ``amp`` (products under autocast, fp16 on CUDA
            and bf16 elsewhere; matrices are held in that type, all else in fp32). ``fp16`` on a
            CPU becomes ``fp32``, with a notice.
        device: where it shall be; the default is CUDA if there is one, else the CPU.
        cache_dir: where downloaded weights are looked for first, and kept.
        may_download: False: weights that are not on this machine are an error.

    Returns:
        The model, in eval mode, on ``device``.

    Raises:
        UserError: for an unknown name, precision or device, weights that are missing, damaged or of
            another model, and a tokenizer that is missing.

    Example:
        >>> clip = softcpt.load_clip("tiny", device="cpu")
        >>> clip.name, clip.image_size
        ('tiny', 128)
    """
    device = _usable_device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    precision = usable_precision(precision, device)
    # Building layers draws random numbers that are overwritten at once: the caller's generator must
    # not notice.
    with torch.random.fork_rng(devices=[]):
        clip = Clip(load_model(name, cache_dir, may_download), precision)
    if precision in WEIGHT_TYPES:
        _ = clip.fingerprint  # while the weights still have all their bits
        lower_precision(clip.model, WEIGHT_TYPES[precision])
    if _is_convolutional(clip.model.visual):
        clip.model.visual.to(memory_format=torch.channels_last)  # up to twice as fast on a CPU
    if precision == "amp":
        clip.hold_for_autocast(device)
    return clip.to(device)


def _usable_device(device: str | torch.device) -> torch.device:
    try:
        found = torch.device(device)
        torch.empty(0, device=found)  # asks its driver
    except (AssertionError, NotImplementedError, RuntimeError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        raise UserError(f"device {str(device)!r}: {reason}; use cpu, cuda or cuda:1") from error
    return found


def _is_convolutional(visual: nn.Module) -> bool:
    """Whether it has more convolutions than a ViT's cut into patches."""
    return sum(isinstance(module, nn.Conv2d) for module in visual.modules()) > 1


def _fingerprint(
    model: nn.Module, weights: Mapping[str, Tensor], tokenizer: OwnTokenizer | None
) -> str:
    kinds = {
        type(module).__name__
        for module in model.modules()
        if next(module.parameters(), None) is None
    }
    digest = hashlib.sha256(" ".join(sorted(kinds)).encode())
    if tokenizer is not None:
        digest.update(repr(tokenizer.padded([*tokenizer.start, *tokenizer.encode(PROBE)])).encode())
    for name, tensor in sorted(weights.items()):
        if tensor.is_floating_point():
            digest.update(f"{name}{tuple(tensor.shape)}".encode())
            digest.update(tensor.float().cpu().contiguous().numpy().reshape(-1).data)
    return digest.hexdigest()


def _embed_dim(model: ClipModel) -> int:
    text: Any = text_parts(model)
    if not hasattr(text, "text_projection"):
        return int(text.output_dim)
    projection = text.text_projection
    if projection is None:
        return int(text.token_embedding.embedding_dim)
    linear = isinstance(projection, nn.Linear)
    return int(projection.out_features if linear else projection.shape[1])


@functools.cache
def _tokenizer() -> SimpleTokenizer:
    return SimpleTokenizer()
