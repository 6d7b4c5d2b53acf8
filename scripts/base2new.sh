#!/usr/bin/env bash
# Base-to-new generalisation: train on the first half of each task's classes, then test on the others.
#
#   scripts/base2new.sh [DATASET] [SEED] [flags] [KEY VALUE ...]
#   scripts/base2new.sh oxford_pets 1 --methods CoCoOp --config vit_b16_c4_ep10_batch1_ctxv1 --root /path/to/data
#
# DATASET  a name in configs/datasets (emoji44)
# SEED     one seed (1, 2 and 3)
#
# Methods are CoOp and SoftCPT, and each class has 16 images (of Emoji-44: 4): --methods and --shots change that. Results go
# to output/base2new/train_base and test_new; `python -m softcpt report output/base2new` has base, new and their harmonic
# mean. Data sets are looked for below $DATA, or --root. Other flags are those of `python -m softcpt grid` (--config,
# --workers, --launcher, --output, --list, ...). What is done already is not run again.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
help_if_asked "$@"
words "emoji44 all" "$@"
read -r dataset seeds <<< "${given[*]}"
if [[ "$seeds" == all ]]; then seeds="1 2 3"; fi
if [[ "$dataset" == emoji44 ]]; then shots=4; else shots=16; fi
# shellcheck disable=SC2086 (several words)
grid --base-to-new --methods CoOp SoftCPT --data "$dataset" --shots "$shots" --seeds $seeds --output output/base2new \
    ${more[@]+"${more[@]}"}
