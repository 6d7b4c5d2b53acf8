#!/usr/bin/env bash
# Linear probe of CLIP's image features on one data set, 1, 2, 4, 8 and 16 shots, seeds 1, 2, 3.
#
#   scripts/linear_probe.sh [DATASET CFG] [MAX_TASK_IDX] [flags] [KEY VALUE ...]
#   scripts/linear_probe.sh plant6 rn50 --root /path/to/data --shots 16
#
# DATASET       a name in configs/datasets (emoji44, which has 1, 2 and 4 shots)
# CFG           rn50, rn101, vit_b32, vit_b16, vit_l14 or tiny (tiny)
# MAX_TASK_IDX  accepted as in the published script; every task is probed in any case
#
# Data sets are looked for below $DATA, or --root. Other flags are those of `python -m softcpt grid` (--shots, --seeds,
# --workers, --launcher, --output, --list, ...). What is done already is not run again.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
help_if_asked "$@"
words "emoji44 tiny all" "$@"
read -r dataset cfg _ <<< "${given[*]}"
if [[ "$dataset" == emoji44 ]]; then shots="1 2 4"; else shots="1 2 4 8 16"; fi
# shellcheck disable=SC2086 (several words)
grid --methods LinearProbe --data "$dataset" --config "$cfg" --shots $shots --seeds 1 2 3 \
    --layout "{data}/{trainer}/{config}_{shots}shots/seed{seed}" ${more[@]+"${more[@]}"}
