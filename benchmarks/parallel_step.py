"""Times a SoftCPT training step in several processes and in one, with the text tower of RN50.

    torchrun --nproc_per_node 2 benchmarks/parallel_step.py [--benchmark Plant-6] [--batch 32]

Prints one JSON line. Image features come from the bank. While one process does the step alone, the
others wait. Both are measured in alternating blocks; the best counts.
"""

from __future__ import annotations

from unittest import mock

import torch
import torch.distributed as dist
import torch.nn.functional as F
from workloads import NAMES, arguments, best_times, report, rn50, task_set

import softcpt
from softcpt.utils import parallel


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--benchmark", choices=NAMES, default="Plant-6")
    parser.add_argument("--method", default="SoftCPT")
    parser.add_argument("--batch", type=int, default=32)
    args = parser.parse_args()

    with parallel.joined_process_group():
        tasks, clip = task_set(args.benchmark), rn50(args.dtype, args.device)
        generator = torch.Generator().manual_seed(0)
        features = F.normalize(
            torch.randn(args.batch, clip.embed_dim, generator=generator), dim=-1
        ).to(args.device)
        labels = torch.randint(tasks.num_classes, (args.batch,), generator=generator).to(
            args.device
        )
        prompter = softcpt.build_prompter(args.method, clip, tasks)
        optimiser = torch.optim.SGD(prompter.parameters(), lr=0.002, momentum=0.9)

        def divided() -> None:
            optimiser.zero_grad()
            prompter.loss(features, labels)[0].backward()
            optimiser.step()

        def alone() -> None:
            if parallel.is_main():
                with mock.patch.object(parallel, "process_count", return_value=1):
                    divided()
            dist.barrier()

        divided()
        seconds = best_times({"divided": divided, "alone": alone}, blocks=args.rounds, runs=2)
        if parallel.is_main():
            report(
                benchmark=args.benchmark,
                method=args.method,
                dtype=args.dtype,
                device=args.device,
                batch=args.batch,
                processes=parallel.process_count(),
                threads=torch.get_num_threads(),
                seconds=seconds["divided"],
                seconds_of_one_process=seconds["alone"],
                times_faster=seconds["alone"] / seconds["divided"],
            )


if __name__ == "__main__":
    main()
