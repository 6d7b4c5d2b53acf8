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


def bare_names(clip: softcpt.Clip, names) -> Tensor:
    """(n, D) normalised features of the names alone, without a stop."""
    tokens = clip.tokenizer
    prompts = [
        [tokens.sot_token_id, *tokens.encode(name.replace("_", " ")), tokens.eot_token_id]
        for name in names
    ]
    none = torch.zeros(len(prompts), 0, clip.text_width)
    return F.normalize(encode_naively(clip.model, prompts, none), dim=-1)


def name_attention(names: Tensor, p: Tensors, heads: int = 4) -> Tensor:
    """(L, d) FedTPG's context from the names' features (n, D): query by query, head by head."""
    p = {name.removeprefix("prompt_gen."): tensor for name, tensor in p.items()}
    width = p["queries"].shape[1]
    if "attention.in_proj_weight" in p:  # torch packs the three where both widths are the same
        weights = p["attention.in_proj_weight"].chunk(3)
    else:
        weights = [p[f"attention.{kind}_proj_weight"] for kind in "qkv"]
    biases = p["attention.in_proj_bias"].chunk(3)

    def normed(x: Tensor, kind: str) -> Tensor:
        centred = x - x.mean()
        return (
            centred / (centred.square().mean() + 1e-5).sqrt() * p[f"{kind}_norm.weight"]
            + p[f"{kind}_norm.bias"]
        )

    rows = [normed(name, "name") for name in names]
    keys, values = ([weights[kind] @ row + biases[kind] for row in rows] for kind in (1, 2))
    contexts, size = [], width // heads
    for query in p["queries"]:
        asked, found = weights[0] @ normed(query, "query") + biases[0], []
        for head in range(heads):
            part = slice(head * size, (head + 1) * size)
            scores = torch.stack([asked[part] @ key[part] for key in keys]) / size**0.5
            shares = scores.exp() / scores.exp().sum()
            found.append(sum(share * value[part] for share, value in zip(shares, values)))
        h = p["attention.out_proj.weight"] @ torch.cat(found) + p["attention.out_proj.bias"]
        a, b = (p["hidden.weight"] @ normed(h, "hidden") + p["hidden.bias"]).chunk(2)
        gelu = b * (1 + torch.erf(b / 2**0.5)) / 2
        contexts.append(h + p["out.weight"] @ (a * gelu) + p["out.bias"])
    return torch.stack(contexts)


def scaled_context(p: Tensors, task: int) -> Tensor:
    """(L, d) MPT's context, entry by entry."""
    shared, u, v = (p[f"prompt_gen.{name}"] for name in ("ctx", "u", "v"))
    return torch.stack(
        [
            torch.stack([shared[i, j] * u[task, i] * v[task, j] for j in range(shared.shape[1])])
            for i in range(shared.shape[0])
        ]
    )


def softcpt_classes(clip: softcpt.Clip, tasks: softcpt.TaskSet, p: Tensors, o: Any) -> Tensor:
    """(C, D) class features of SoftCPT, not normalised."""
    names, owners = tasks.class_names, tasks.task_of_class.tolist()
    if o.generator in ("fedtpg", "mpt"):
        of_task = [
            scaled_context(p, t)
            if o.generator == "mpt"
            else name_attention(bare_names(clip, tasks[t].class_names), p)
            for t in range(len(tasks))
        ]
        return features(clip, names, [of_task[owner] for owner in owners], o.position)
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
