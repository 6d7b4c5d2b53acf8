"""Times the text tower's forward and backward pass: this engine, the naive 77-token path, and
truncation alone.

    python benchmarks/text_encoder.py --benchmark General-10 --dtype bf16 [--n-ctx 16]
    python benchmarks/text_encoder.py --benchmark Plant-6 --without prefix stems last-block

Prints one JSON line. All sides are timed in this process, in alternating blocks of warm runs; the
best counts. The naive sides run in fp32 on a subset of the classes (the whole does not fit in
memory) and are scaled by the class count. ``share_of_matmul_rate``: the engine's arithmetic (2 FLOP
a multiplication; linear layers of all tokens it computes, and attention) over its time, over the
measured rate of a large product of that type. ``slower_without``: the time of the engine with one
saving left out, over that of the whole engine.
"""

from __future__ import annotations

import time

import torch
from savings import SAVINGS, without  # beside this file
from workloads import (
    DTYPES,
    NAMES,
    arguments,
    best_times,
    matmul_rate,
    memory_gb,
    prompts_of,
    report,
    text_model,
)

from softcpt.testing.naive_text import encode_naively
from softcpt.text.encoder import TextEncoder
from softcpt.text.packing import PackedPrompts
from softcpt.text.tower import TextTower


def engine_flops(layout: PackedPrompts, width: int, blocks: int) -> float:
    """Arithmetic of one forward and backward pass; weights are frozen, so backward costs what
    forward costs."""
    prefix, groups = (len(layout.prefix), layout.num_groups) if layout.shared else (1, 0)
    tokens, ends = int(layout.chunks.lengths.sum()), len(set(layout.chunks.ends.tolist()))
    linear = 24 * width**2
    chunk_attention = 4 * width * (prefix + layout.size) * len(layout.chunks) * layout.size
    full = blocks - 1
    forward = full * (linear * (tokens + groups * prefix) + chunk_attention)
    forward += (
        4 * width**2 * (tokens + groups * prefix) + (linear - 4 * width**2) * ends
    )  # last block
    return 2 * forward


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--benchmark", choices=NAMES, default="Plant-6")
    parser.add_argument("--n-ctx", type=int, default=16)
    parser.add_argument("--naive-classes", type=int, default=48)
    parser.add_argument(
        "--max-tokens", type=int, default=0, help="MAX_TEXT_TOKENS, the memory bound"
    )
    parser.add_argument(
        "--without", nargs="*", choices=SAVINGS, default=[], help="savings whose share is measured"
    )
    parser.add_argument(
        "--cpu-time",
        action="store_true",
        help="of one thread: on a machine that others use, too; not on a GPU",
    )
    args = parser.parse_args()
    if args.cpu_time:
        torch.set_num_threads(1)

    start = memory_gb(args.device)
    model, dtype = text_model().to(args.device), DTYPES[args.dtype]
    prompts, tasks = prompts_of(args.benchmark, args.n_ctx)
    layout = PackedPrompts(prompts, tasks, args.n_ctx, 512)
    encoder = TextEncoder(TextTower(model, dtype))
    contexts = (
        (0.02 * torch.randn(layout.num_groups, args.n_ctx, 512)).to(args.device).requires_grad_()
    )
    scale = len(prompts) / args.naive_classes
    subset = [int(i * scale) for i in range(args.naive_classes)]
    some, owner = [prompts[i] for i in subset], torch.tensor([tasks[i] for i in subset])

    def pass_through(encoder: TextEncoder, layout: PackedPrompts) -> None:
        contexts.grad = None
        features = encoder(layout, contexts, max_tokens=args.max_tokens or None)
        features.float().square().sum().backward()

    def naive(length: int) -> None:
        contexts.grad = None
        encode_naively(model, some, contexts[owner], length=length).square().sum().backward()

    def ablated(saving: str):
        pair = without(
            saving,
            encoder,
            lambda **options: PackedPrompts(prompts, tasks, args.n_ctx, 512, **options),
        )
        return lambda: pass_through(*pair)

    loaded = memory_gb(args.device)
    pass_through(encoder, layout)
    memory = memory_gb(args.device)
    longest = max(map(len, prompts))
    sides = {
        "engine": lambda: pass_through(encoder, layout),
        "naive": lambda: naive(77),
        "cut": lambda: naive(longest),
    }
    sides |= {saving: ablated(saving) for saving in args.without}
    clock = time.thread_time if args.cpu_time else time.perf_counter
    seconds = best_times(sides, blocks=args.rounds, runs=2, clock=clock)
    engine, flops = seconds["engine"], engine_flops(layout, 512, 12)
    report(
        benchmark=args.benchmark,
        dtype=args.dtype,
        device=args.device,
        n_ctx=args.n_ctx,
        classes=len(prompts),
        threads=torch.get_num_threads(),
        cpu_time=args.cpu_time,
        tokens=layout.num_tokens,
        tokens_naive=77 * len(prompts),
        seconds=engine,
        naive_seconds_scaled=seconds["naive"] * scale,
        truncated_seconds_scaled=seconds["cut"] * scale,
        naive_measured_on_classes=args.naive_classes,
        over_naive_fp32=seconds["naive"] * scale / engine,
        over_truncated_fp32=seconds["cut"] * scale / engine,
        gflop=flops / 1e9,
        share_of_matmul_rate=flops / engine / matmul_rate(dtype, args.device),
        peak_memory_gb=memory,
        of_it_libraries_gb=start,
        of_it_step_gb=memory - loaded,
        slower_without={saving: seconds[saving] / engine for saving in args.without},
    )


if __name__ == "__main__":
    main()
