#!/usr/bin/env bash
# CoOp on one data set with seeds 1, 2, 3.
#
#   scripts/coop.sh [DATASET CFG CTP NCTX SHOTS CSC] [flags] [KEY VALUE ...]
#   scripts/coop.sh caltech101 rn50_ep50 end 16 1 False --root /path/to/data
#
# DATASET  a name in configs/datasets (emoji44)        NCTX   context vectors (16)
# CFG      a name in configs/trainers/CoOp (tiny)      SHOTS  images per class (4)
# CTP      place of the class name: end, middle, front (end)
# CSC      a context for every class: True or False (False)
#
# Words that are left out are as in brackets. Data sets are looked for below $DATA, or --root. Other flags are those of
# `python -m softcpt grid` (--seeds, --workers, --launcher, --output, --list, ...). What is done already is not run again.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
help_if_asked "$@"
words "emoji44 tiny end 16 4 False" "$@"
read -r dataset cfg ctp nctx shots csc <<< "${given[*]}"
grid --methods CoOp --data "$dataset" --config "$cfg" --shots "$shots" --seeds 1 2 3 \
    --layout "{data}/{trainer}/{config}_{shots}shots/nctx${nctx}_csc${csc}_ctp${ctp}/seed{seed}" ${more[@]+"${more[@]}"} \
    TRAINER.COOP.N_CTX "$nctx" TRAINER.COOP.CSC "$csc" TRAINER.COOP.CLASS_TOKEN_POSITION "$ctp"
