#!/usr/bin/env bash
# Every figure of docs/performance.md, on a quiet machine (about 40 minutes on two cores):
#     benchmarks/run_all.sh [DEVICE] > docs/performance.jsonl && python benchmarks/plot.py
set -euo pipefail
cd "$(dirname "$0")"
unset OPENBLAS_CORETYPE
device=(--device "${1:-cpu}")
for dtype in fp32 bf16; do
    for benchmark in Plant-6 General-10 ImageNet; do
        python text_encoder.py --benchmark $benchmark --dtype $dtype --naive-classes 24 --rounds 2 "${device[@]}"
    done
    python text_encoder.py --benchmark Plant-6 --n-ctx 4 --dtype $dtype --naive-classes 24 --rounds 2 "${device[@]}"
    python text_encoder.py --benchmark General-10 --n-ctx 4 --dtype $dtype --naive-classes 24 --rounds 2 "${device[@]}"
    python train_step.py --dtype $dtype --rounds 2 "${device[@]}"
done
for benchmark in Plant-6 General-10; do
    python text_encoder.py --benchmark $benchmark --naive-classes 8 --rounds 3 "${device[@]}" \
        --without prefix stems last-block first-block fused-activation gathered-attention plain-attention
done
python text_encoder.py --benchmark Plant-6 --dtype bf16 --naive-classes 8 --rounds 3 "${device[@]}" \
    --without fused-activation gathered-attention plain-attention kept-matrices
python evaluation.py --rounds 2 "${device[@]}"
python scaling.py --rounds 1 "${device[@]}"
for part in host evaluation plan start; do
    python scale.py $part "${device[@]}"
done
for dtype in fp32 bf16; do
    python scale.py papers --dtype $dtype "${device[@]}"
done
python scale.py memory --classes 5000 "${device[@]}"
for classes in 5000 21000; do
    python scale.py memory --classes $classes --max-tokens 4096 "${device[@]}"
done
# torchrun gives each process one thread: two of these against one.
for dtype in fp32 bf16; do
    torchrun --nproc_per_node 2 parallel_step.py --benchmark General-10 --dtype $dtype --rounds 1 "${device[@]}"
done
python comparison.py --rounds 1 "${device[@]}"
python decode.py
if [[ ${1:-cpu} == cuda* ]]; then
    for benchmark in Plant-6 General-10 ImageNet; do
        for dtype in fp32 bf16; do python captured_step.py --benchmark $benchmark --dtype $dtype "${device[@]}"; done
    done
fi
