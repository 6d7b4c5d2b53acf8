#!/usr/bin/env bash
# Zero-shot CLIP on one data set: hand-written prompts, nothing trained.
#
#   scripts/zeroshot.sh [DATASET CFG] [TASK] [flags] [KEY VALUE ...]
#   scripts/zeroshot.sh plant6 rn50 --root /path/to/data        all tasks
#   scripts/zeroshot.sh plant6 rn50 2                           its third task alone
#
# DATASET  a name in configs/datasets (emoji44)
# CFG      rn50, rn101, vit_b32, vit_b16, vit_l14 or tiny (tiny)
# TASK     a task's number, from 0 (all)
#
# Data sets are looked for below $DATA, or --root. Other flags are those of `python -m softcpt grid` (--output, --list, ...);
# DATASET.SUBSAMPLE_CLASSES base or new tests on half of the classes.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
help_if_asked "$@"
words "emoji44 tiny all" "$@"
read -r dataset cfg task <<< "${given[*]}"
if [[ "$task" == all ]]; then below="{mark}"; chosen=(); else below="-$task"; chosen=(DATASET.SUBSAMPLE_TASKS "task$task"); fi
grid --methods ZeroshotCLIP --data "$dataset" --config "$cfg" --shots 1 --seeds 1 \
    --layout "{trainer}/{config}/{data}$below" ${more[@]+"${more[@]}"} ${chosen[@]+"${chosen[@]}"}
