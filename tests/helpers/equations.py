"""The methods' equations in plain PyTorch: loops over classes, naive 77-token prompts, the
multi-task loss by hand.

Each function takes the trainable tensors under the reference's names, so that it needs nothing of a
prompter but its options.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

import softcpt
from softcpt.testing.naive_text import encode_naively
from softcpt.text.packing import slot

Tensors = dict[str, Tensor]


def symbols(clip: softcpt.Clip, name: str, n_ctx: int, position: str) -> list[int]:
    name = name.replace("_", " ")
    words, dot = clip.tokenizer.encode(name), clip.tokenizer.encode(".")
    slots = [slot(i) for i in range(n_ctx)]
    half = n_ctx // 2
    body = {
        "end": slots + words,
        "middle": slots[:half] + words + slots[half:],
        "front": words + slots,
    }[position]
    return [clip.tokenizer.sot_token_id, *body, *dot, clip.tokenizer.eot_token_id]


def features(clip: softcpt.Clip, names, contexts: list[Tensor], position: str) -> Tensor:
    """(N, D) features of ``names`` with a context (L, d) each."""
    prompts = [
        symbols(clip, name, context.shape[0], position) for name, context in zip(names, contexts)
    ]
    return encode_naively(clip.model, prompts, torch.stack(list(contexts)))


def spread(ctx: Tensor, number: int) -> list[Tensor]:
    """One context per name: the shared one, or each one's own."""
    return [ctx if ctx.dim() == 2 else ctx[index] for index in range(number)]


def task_features(clip: softcpt.Clip, tasks: softcpt.TaskSet, p: Tensors, o: Any) -> Tensor:
    if o.task_text == "none":
        return p["task_embedding.weight"]
    texts = tasks.names if o.task_text == "name" else [task.description for task in tasks]
    return features(clip, texts, spread(p["task_prompt_learner.ctx"], len(tasks)), o.task_position)


def generate(x: Tensor, p: Tensors, kind: str) -> Tensor:
    """(L * d,) numbers from one feature."""
    half = len(x) // 2
    if kind == "lowrank":
        return x @ (p["prompt_gen.down"] @ p["prompt_gen.up"])
    if kind == "mlp":
        return (x @ p["prompt_gen.down"]).clamp(min=0) @ p["prompt_gen.up"]
    return {"lin": x, "linmean": (x[:half] + x[half:]) / 2, "lincls": x[:half]}[kind] @ p[
        "prompt_gen.proj"
    ]


def softcpt_classes(clip: softcpt.Clip, tasks: softcpt.TaskSet, p: Tensors, o: Any) -> Tensor:
    """(C, D) class features of SoftCPT, not normalised."""
    names, owners = tasks.class_names, tasks.task_of_class.tolist()
    task = task_features(clip, tasks, p, o)
    inputs = [task[owner] for owner in owners]
    if o.csc:
        own = features(
            clip, names, spread(p["class_prompt_learner.ctx"], len(names)), o.class_position
        )
        inputs = [torch.cat([own[c], inputs[c]]) for c in range(len(names))]
    contexts = [generate(x, p, o.generator).reshape(o.n_ctx, -1) for x in inputs]
    return features(clip, names, contexts, o.position)


def coop_classes(clip: softcpt.Clip, tasks: softcpt.TaskSet, p: Tensors, o: Any) -> Tensor:
    """(C, D) class features of CoOp, not normalised."""
    contexts = []
    for c, owner in enumerate(tasks.task_of_class.tolist()):
        ctx = p.get("prompt_learner.ctx", p.get(f"prompt_learner.learners.{owner}.ctx"))
        local = c if "prompt_learner.ctx" in p else tasks.to_local(c)[1]
        contexts.append(ctx if ctx.dim() == 2 else ctx[local])
    return features(clip, tasks.class_names, contexts, o.position)


def multi_task_loss(
    tasks: softcpt.TaskSet, logits: Tensor, labels: Tensor, columns: list[list[int]] | None = None
) -> Tensor:
    """SoftCPT, Eq. 8: over the tasks, cross-entropy inside the task's columns (or some of them),
    summed; then / B."""
    owners, total = tasks.task_of_class[labels], 0
    for t in range(len(tasks)):
        if not (owners == t).any():
            continue
        mine = list(range(tasks.num_classes))[tasks.columns(t)] if columns is None else columns[t]
        targets = torch.tensor([mine.index(label) for label in labels[owners == t].tolist()])
        total = total + F.cross_entropy(logits[owners == t][:, mine], targets, reduction="sum")
    return total / len(labels)
