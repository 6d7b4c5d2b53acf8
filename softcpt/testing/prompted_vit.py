"""States an image tower with prompts in plain PyTorch, laid out as in the published code, and
compares five steps of a method with such a statement."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

import softcpt
from softcpt.text.open_clip_parts import OpenAiVit, ResidualBlock

State = dict[str, Tensor]
# From parameters and images (B, 3, H, W) to normalised image features (B, D) and class embeddings
# (C, D).
Statement = Callable[[State, Tensor], tuple[Tensor, Tensor]]
# From tasks, logits (B, C) and labels (B,) to the loss.
LossOf = Callable[[softcpt.TaskSet, Tensor, Tensor], Tensor]


def image_features(
    visual: OpenAiVit, images: Tensor, first: Tensor, further: Tensor | None
) -> Tensor:
    """(B, D) features of OpenAI's ViT with prompts (1 or B, N, d) and (L - 1, 1 or B, N, d) behind
    the class token."""
    x: Tensor = visual.conv1(images).flatten(2).transpose(1, 2)
    x = torch.cat([visual.class_embedding.expand(len(x), 1, -1), x], dim=1)
    x = x + visual.positional_embedding
    x = with_prompts(visual.transformer.resblocks, visual.ln_pre(x), first, further)
    return F.normalize(visual.ln_post(x[:, 0]) @ visual.proj, dim=1)


def with_prompts(
    blocks: Sequence[ResidualBlock], x: Tensor, first: Tensor, further: Tensor | None
) -> Tensor:
    """Tokens (B, 1 + M, d) through all blocks; the prompts stand behind the first of them."""
    n = first.shape[1]
    x = torch.cat([x[:, :1], first.expand(len(x), -1, -1), x[:, 1:]], dim=1)
    for index, block in enumerate(blocks):
        if index and further is not None:
            x = torch.cat(
                [x[:, :1], further[index - 1].expand(len(x), -1, -1), x[:, 1 + n :]], dim=1
            )
        x = block(x)
    return torch.cat([x[:, :1], x[:, 1 + n :]], dim=1)


def five_steps_agree(
    prompter: softcpt.Prompter, statement: Statement, loss_of: LossOf, tolerance: float = 1e-8
) -> None:
    """Logits, loss and gradients of the first step, and the parameters after five, are those of the
    statement."""
    generator = torch.Generator().manual_seed(2)
    images = torch.randn(5, 3, 32, 32, generator=generator, dtype=torch.float64)
    labels = torch.randint(prompter.tasks.num_classes, (5,), generator=generator)
    scale = prompter.clip.logit_scale.exp()
    state = {name: value.requires_grad_() for name, value in prompter.reference_state().items()}
    ours, theirs = (
        torch.optim.SGD(learned, lr=0.02, momentum=0.9, weight_decay=5e-4)
        for learned in (prompter.parameters(), state.values())
    )
    for step in range(5):
        ours.zero_grad()
        theirs.zero_grad()
        loss, _ = prompter.loss(prompter.encode_image(images), labels)
        loss.backward()
        features, classes = statement(state, images)
        logits = scale * features @ classes.t()
        wanted = loss_of(prompter.tasks, logits, labels)
        wanted.backward()
        if step == 0:
            assert (prompter(images) - logits).abs().max() <= tolerance * logits.abs().max()
        assert abs(loss - wanted) <= tolerance * abs(wanted)
        for name, parameter in prompter.named_parameters():
            gradient, expected = parameter.grad, state[name].grad
            assert gradient is not None and expected is not None, name
            assert (gradient - expected).norm() <= tolerance * expected.norm(), name
        ours.step()
        theirs.step()
    for name, parameter in prompter.named_parameters():
        assert (parameter - state[name]).norm() <= tolerance * state[name].norm(), name


def joint_loss(_tasks: softcpt.TaskSet, logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy over the classes of all tasks."""
    return F.cross_entropy(logits, labels)
