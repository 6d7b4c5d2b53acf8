"""The text tower's forward and backward pass: this engine against the naive 77-token path and against truncation alone.

    python benchmarks/text_encoder.py --benchmark General-10 --dtype fp32 [--n-ctx 16] [--naive-classes 48]

Prints one JSON line. All sides are timed in this process, in alternating blocks of warm runs; the best counts. The naive
sides run in fp32 on a subset of the classes (the whole does not fit in memory) and are scaled by the class count.
``share_of_matmul_rate``: the engine's arithmetic (2 FLOP a multiplication; linear layers of all tokens it computes, and
attention) over its time, over the measured rate of a large product of that type.
"""

from __future__ import annotations

import argparse
import json
import resource

import torch
from workloads import NAMES, best_times, encode_naively, matmul_rate, prompts_of, text_model  # also finds the checkout

from softcpt.packing import Layout
from softcpt.text import TextEncoder
from softcpt.tower import TextTower

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


def engine_flops(layout: Layout, width: int, blocks: int) -> float:
    """Arithmetic of one forward and backward pass; weights are frozen, so backward costs what forward costs."""
    prefix, groups = (len(layout.prefix), layout.num_groups) if layout.shared else (1, 0)
    tokens, ends = int(layout.chunks.lengths.sum()), len(set(layout.chunks.ends.tolist()))
    linear = 24 * width**2
    chunk_attention = 4 * width * (prefix + layout.size) * len(layout.chunks) * layout.size
    full = blocks - 1
    forward = full * (linear * (tokens + groups * prefix) + chunk_attention)
    forward += 4 * width**2 * (tokens + groups * prefix) + (linear - 4 * width**2) * ends  # last block
    return 2 * forward


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--benchmark", choices=NAMES, default="Plant-6")
    parser.add_argument("--dtype", choices=DTYPES, default="fp32")
    parser.add_argument("--n-ctx", type=int, default=16)
    parser.add_argument("--naive-classes", type=int, default=48)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--max-tokens", type=int, default=0)
    args = parser.parse_args()

    model, dtype = text_model(), DTYPES[args.dtype]
    prompts, tasks = prompts_of(args.benchmark, args.n_ctx)
    layout = Layout(prompts, tasks, args.n_ctx, 512)
    encoder = TextEncoder(TextTower(model, dtype), args.max_tokens or None)
    contexts = (0.02 * torch.randn(layout.num_groups, args.n_ctx, 512)).requires_grad_()
    step = len(prompts) / args.naive_classes
    subset = [int(i * step) for i in range(args.naive_classes)]
    some, owner = [prompts[i] for i in subset], torch.tensor([tasks[i] for i in subset])

    def engine() -> None:
        contexts.grad = None
        encoder(layout, contexts).float().square().sum().backward()

    def naive(length: int) -> None:
        contexts.grad = None
        encode_naively(model, some, contexts[owner], length=length).square().sum().backward()

    engine()
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    longest = max(map(len, prompts))
    seconds = best_times({"engine": engine, "naive": lambda: naive(77), "truncated": lambda: naive(longest)},
                         blocks=args.rounds, runs=2)
    flops = engine_flops(layout, 512, 12)
    print(json.dumps({
        "benchmark": args.benchmark, "dtype": args.dtype, "n_ctx": args.n_ctx, "classes": len(prompts),
        "threads": torch.get_num_threads(), "tokens": layout.num_tokens, "tokens_naive": 77 * len(prompts),
        "seconds": round(seconds["engine"], 4),
        "naive_seconds_scaled": round(seconds["naive"] * step, 3),
        "truncated_seconds_scaled": round(seconds["truncated"] * step, 3),
        "naive_measured_on_classes": args.naive_classes,
        "over_naive_fp32": round(seconds["naive"] * step / seconds["engine"], 2),
        "over_truncated_fp32": round(seconds["truncated"] * step / seconds["engine"], 2),
        "gflop": round(flops / 1e9, 1),
        "share_of_matmul_rate": round(flops / seconds["engine"] / matmul_rate(dtype), 3),
        "peak_memory_gb_of_the_engine_process": round(memory / 1e6, 2),
    }))


if __name__ == "__main__":
    main()
