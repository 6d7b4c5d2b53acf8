"""Training in two stages: words alone, then words together with drawings."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass

import emoji_art
import torch
import torch.nn.functional as F
from tiny.batches import Tokens, draw_template, emoji_batches, text_batches
from tiny.captions import Captions
from tiny.pictures import Views, tail
from tiny.towers import EMBED_DIM, TABLE_STD, TextTraining, mean_feature, principal_axes
from torch import Tensor, nn
from tqdm import trange

SCALE = 20.0  # of cosines, while training


@dataclass(frozen=True)
class Recipe:
    """What was tried on the benchmark's few-shot designs (noto, emojione) and kept."""

    word_steps: int = 1500
    pair_steps: int = 1200
    word_batch: int = 256
    emoji_batch: int = 160
    word_rate: float = 1e-3
    pair_rate: float = 7e-4
    image_rate: float = 2e-4
    table_factor: float = 5.0  # the token table's learning rate over the other layers'
    emoji_weight: float = 1.0
    keep_weight: float = 1.0  # of "the ImageNet classifier still says what it said"
    noise_contexts: float = 0.1  # share of batches behind random context vectors
    seed: int = 0


class Words:
    """The distillation loss: texts should land where their ImageNet classes' classifier rows
    are."""

    def __init__(
        self, captions: Captions, rows: Tensor, tokens: Tokens, recipe: Recipe, seed: int
    ) -> None:
        """``rows``: (1000, D) classifier rows in the joint space."""
        self.captions, self.rows, self.tokens, self.recipe = captions, rows, tokens, recipe
        self.generator = torch.Generator().manual_seed(seed)
        lengths = torch.tensor([float(len(tokens(text))) for text in captions.texts])
        self.batches = text_batches(lengths, captions.whole, recipe.word_batch, self.generator)

    def loss(self, text: TextTraining) -> Tensor:
        """1 - cosine with the target, and cross-entropy of who is near whom in the batch."""
        chosen = next(self.batches)
        template = "{}" if self.captions.whole[chosen[0]] else draw_template(self.generator)
        tokens = self.tokens.rows([self.captions.texts[i] for i in chosen], template)
        context = noise_context(text, self.recipe.noise_contexts, self.generator)
        target = F.normalize(self.captions.weights[chosen].float() @ self.rows, dim=-1)
        with torch.autocast("cpu", torch.bfloat16):
            features = text(tokens, context)
        features = F.normalize(features.float(), dim=-1)
        wanted = (SCALE * target @ target.T).softmax(1)
        found = SCALE * features @ target.T
        return (
            (1 - (features * target).sum(1)).mean()
            + F.cross_entropy(found, wanted)
            - _entropy(wanted)
        )


class Pairs:
    """The contrastive loss of drawings and their names, and the loss that keeps the image tower an
    ImageNet one."""

    def __init__(
        self, views: Views, classifier: tuple[Tensor, Tensor], tokens: Tokens, recipe: Recipe
    ) -> None:
        self.views, self.classifier, self.tokens, self.recipe = views, classifier, tokens, recipe
        self.generator = torch.Generator().manual_seed(recipe.seed + 2)
        emoji = emoji_art.load_index()["emoji"]
        self.emoji = [emoji[point] for point in views.code_points]
        self.drawings = [
            (views.emoji == number).nonzero().flatten() for number in range(len(self.emoji))
        ]
        groups: dict[str, list[int]] = {}
        for number, entry in enumerate(self.emoji):
            groups.setdefault(entry["subgroup"], []).append(number)
        self.batches = emoji_batches(list(groups.values()), recipe.emoji_batch, self.generator)

    def loss(self, text: TextTraining, teacher: nn.Module) -> Tensor:
        """Both losses of one batch of distinct emoji, one random view and caption of each."""
        batch = next(self.batches)
        drawn = [self._pick(self.drawings[number]) for number in batch]
        view = torch.randint(self.views.maps.shape[1], (len(batch),), generator=self.generator)
        maps = (
            self.views.maps[torch.stack(drawn), view]
            .float()
            .contiguous(memory_format=torch.channels_last)
        )
        tokens = self.tokens.rows(
            [self._caption(self.emoji[n]) for n in batch], draw_template(self.generator)
        )
        context = noise_context(text, self.recipe.noise_contexts, self.generator)
        visual = text.clip.visual
        with torch.autocast("cpu", torch.bfloat16):
            pooled = tail(visual.trunk, maps).float()
            images, names = visual.head(pooled).float(), text(tokens, context).float()
            with torch.no_grad():
                before = tail(teacher, maps).float()
        logits = SCALE * F.normalize(images, dim=-1) @ F.normalize(names, dim=-1).T
        right = torch.arange(len(batch))
        contrast = (F.cross_entropy(logits, right) + F.cross_entropy(logits.T, right)) / 2
        weight, bias = self.classifier
        kept = F.kl_div(
            F.linear(pooled, weight, bias).log_softmax(1),
            F.linear(before, weight, bias).softmax(1),
            reduction="batchmean",
        )
        return self.recipe.emoji_weight * contrast + self.recipe.keep_weight * kept

    def _pick(self, values: Tensor) -> Tensor:
        return values[torch.randint(len(values), (), generator=self.generator)]

    def _caption(self, entry: dict) -> str:
        """The name; now and then with keywords, or keywords alone."""
        chance = float(torch.rand((), generator=self.generator))
        order = torch.randperm(len(entry["keywords"]), generator=self.generator)[:2].tolist()
        keywords = [entry["keywords"][i] for i in order]
        if chance > 0.3 or not keywords:
            return entry["name"].lower()
        return ", ".join(([entry["name"]] if chance > 0.08 else []) + keywords).lower()


def start(
    model: nn.Module, classifier: tuple[Tensor, Tensor], tokens: Tensor
) -> tuple[TextTraining, Tensor]:
    """Set the joint space; return the text tower to train and the classifier's rows (1000, D) in
    that space.

    The joint space is spanned by the principal axes of the classifier's centred rows; the image
    side subtracts the mean feature over ImageNet, so that cosines with a row say what the
    classifier's logits say.
    """
    rows = classifier[0] - classifier[0].mean(0)
    axes = principal_axes(rows, EMBED_DIM)
    head = model.visual.head.proj
    with torch.no_grad():
        head.weight.copy_(axes)
        head.bias.copy_(-axes @ mean_feature(model.visual.trunk))
    return TextTraining(model, tokens), rows @ axes.T


def noise_context(text: TextTraining, share: float, generator: torch.Generator) -> Tensor | None:
    """Now and then 1 to 16 random vectors (m, W), so that learned contexts are no shock; else
    None."""
    if torch.rand((), generator=generator) >= share:
        return None
    count = int(torch.randint(1, 17, (), generator=generator))
    return TABLE_STD * torch.randn(count, text.right.shape[1], generator=generator)


def train_words(text: TextTraining, words: Words, recipe: Recipe) -> None:
    """Stage one: the text tower alone."""
    groups = _text_groups(text, recipe.word_rate, recipe.table_factor)
    _loop(groups, recipe.word_steps, lambda: words.loss(text), "words")


def train_pairs(text: TextTraining, words: Words, pairs: Pairs, recipe: Recipe) -> None:
    """Stage two: both towers; the image tower's last stage and projection only, batch-norm
    statistics frozen."""
    teacher = copy.deepcopy(text.clip.visual.trunk)
    trunk, head = text.clip.visual.trunk, text.clip.visual.head
    trained = [
        *trunk.blocks[6:].parameters(),
        *trunk.conv_head.parameters(),
        *trunk.bn2.parameters(),
    ]
    groups = _text_groups(text, recipe.pair_rate, recipe.table_factor)
    groups.append(
        {"params": [*trained, *head.parameters()], "lr": recipe.image_rate, "weight_decay": 0.0}
    )
    _loop(groups, recipe.pair_steps, lambda: words.loss(text) + pairs.loss(text, teacher), "pairs")


def _text_groups(text: TextTraining, rate: float, table_factor: float) -> list[dict]:
    clip = text.clip
    inner = [
        *clip.transformer.parameters(),
        *clip.ln_final.parameters(),
        clip.positional_embedding,
        clip.text_projection,
    ]
    return [
        {"params": [p for p in inner if p.ndim > 1], "lr": rate, "weight_decay": 0.05},
        {
            "params": [text.right, *(p for p in inner if p.ndim < 2)],
            "lr": rate,
            "weight_decay": 0.0,
        },
        # No decay: tokens that no training text holds keep the start that the sentence encoder gave
        # them.
        {"params": [text.left], "lr": rate * table_factor, "weight_decay": 0.0},
    ]


def _loop(groups: list[dict], steps: int, loss_of_step, desc: str) -> None:
    optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.98))
    warm = max(1, steps // 20)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda n: min((n + 1) / warm, 0.5 * (1 + math.cos(math.pi * n / steps)))
    )
    parameters = [p for group in groups for p in group["params"]]
    progress, mean = trange(steps, desc=desc, unit="step"), None
    for _ in progress:
        loss = loss_of_step()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        schedule.step()
        mean = loss.item() if mean is None else 0.98 * mean + 0.02 * loss.item()
        progress.set_postfix(loss=f"{mean:.3f}", refresh=False)


def _entropy(rows: Tensor) -> Tensor:
    return -(rows * rows.clamp(min=1e-9).log()).sum(1).mean()
