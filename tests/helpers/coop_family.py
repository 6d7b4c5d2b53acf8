"""For the tests of CoOp's kin: small tasks, a random CLIP in float64, and class embeddings the
naive way."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

import softcpt
from softcpt.testing.naive_text import encode_naively
from softcpt.text.packing import slot

FRUIT = softcpt.Task(
    "kinds of fruit",
    ["red apple", "red apple pie", "kiwi"],
    template="a photo of a {}, a kind of fruit.",
)
SIGNS = softcpt.Task("road_signs", ["stop sign", "yield"], template="a bad photo of a {}.")
LAND = softcpt.Task(
    "land use", ["forest", "sea_or_lake", "annual crop land"], template="satellite view of {}."
)
TASK_SETS = {
    "one task": softcpt.TaskSet([FRUIT]),
    "three tasks": softcpt.TaskSet([FRUIT, SIGNS, LAND]),
}

State = dict[str, Tensor]
# From parameters, features (B, D) and labels (B,) to gradients of a step, and the loss that is
# shown.
Statement = Callable[[State, Tensor, Tensor], tuple[State, Tensor]]


def build(method: str, clip: softcpt.Clip, tasks: softcpt.TaskSet, **options) -> softcpt.Prompter:
    """The method with parameters in float64, a little away from their start."""
    torch.manual_seed(0)
    prompter = softcpt.build_prompter(method, clip, tasks, **options).double()
    with torch.no_grad():
        for parameter in prompter.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
    return prompter


def batch(clip: softcpt.Clip, tasks: softcpt.TaskSet) -> tuple[Tensor, Tensor]:
    """Features (7, D) and labels (7,); of several tasks the second has no image."""
    generator = torch.Generator().manual_seed(1)
    features = torch.randn(7, clip.embed_dim, generator=generator, dtype=torch.float64)
    chosen = [c for c in range(tasks.num_classes) if len(tasks) == 1 or tasks.to_local(c)[0] != 1]
    return F.normalize(features, dim=1), torch.tensor(
        [chosen[i % len(chosen)] for i in (0, 3, 1, 4, 2, 5, 3)]
    )


def embed(clip: softcpt.Clip, names: Sequence[str], context: Tensor) -> Tensor:
    """(N, D) normalised embeddings of ``names`` behind one context (L, d), with 77 tokens each."""
    slots = [slot(i) for i in range(len(context))]
    encode, ends = clip.tokenizer.encode, (clip.tokenizer.sot_token_id, clip.tokenizer.eot_token_id)
    prompts = [[ends[0], *slots, *encode(name.replace("_", " ") + "."), ends[1]] for name in names]
    return F.normalize(
        encode_naively(clip.model, prompts, context.expand(len(names), -1, -1)), dim=1
    )


def hand_written(clip: softcpt.Clip, task: softcpt.Task) -> Tensor:
    """(C', D) normalised embeddings of a task's classes in its template."""
    texts = [task.template.format(name.replace("_", " ")) for name in task.class_names]
    return F.normalize(clip.model.encode_text(clip.tokenizer(texts)), dim=1)


def own(state: State, tasks: softcpt.TaskSet, task: int) -> State:
    """The tensors of a task's learner, without its prefix."""
    prefix = "prompt_learner." if len(tasks) == 1 else f"prompt_learner.learners.{task}."
    return {
        name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)
    }


def five_steps_agree(
    prompter: softcpt.Prompter, statement: Statement, tolerance: float = 1e-9
) -> None:
    """Loss and gradients of the first step, and the parameters after five, are those of the
    statement."""
    features, labels = batch(prompter.clip, prompter.tasks)
    state = {name: value.requires_grad_() for name, value in prompter.reference_state().items()}
    settings = {"lr": 0.02, "momentum": 0.9, "weight_decay": 5e-4}
    ours, theirs = (
        torch.optim.SGD(prompter.parameters(), **settings),
        torch.optim.SGD(state.values(), **settings),
    )
    for _ in range(5):
        ours.zero_grad()
        loss, _ = prompter.loss(features, labels)
        loss.backward()
        gradients, shown = statement(state, features, labels)
        assert abs(loss - shown) <= tolerance * abs(shown)
        for name, parameter in prompter.named_parameters():
            wanted = gradients.get(name)
            assert (parameter.grad is None) == (wanted is None), name
            if wanted is not None:
                assert (parameter.grad - wanted).norm() <= tolerance * wanted.norm(), name
            state[name].grad = wanted
        ours.step()
        theirs.step()
    for name, parameter in prompter.named_parameters():
        assert (parameter - state[name]).norm() <= tolerance * state[name].norm(), name
