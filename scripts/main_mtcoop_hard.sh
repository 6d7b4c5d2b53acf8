#!/usr/bin/env bash
# CoOp on several tasks, as SoftCPT's script of this name, with seeds 1, 2, 3.
#
#   scripts/main_mtcoop_hard.sh DATASET CFG SHOTS NCTX CSC TSC
#
# CSC and TSC, True or False: a context for every class, for every task (False: one for all). The other words are those of
# scripts/coop.sh. Behind the words come flags and KEY VALUE pairs, as there.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
help_if_asked "$@"
words "emoji44 tiny 4 16 False False" "$@"
read -r dataset cfg shots nctx csc tsc <<< "${given[*]}"
grid --methods MTCoOpHard --data "$dataset" --config "$cfg" --shots "$shots" --seeds 1 2 3 \
    --layout "{data}/{method}/{config}_{shots}shots/nctx${nctx}_csc${csc}_tsc${tsc}/seed{seed}" ${more[@]+"${more[@]}"} \
    TRAINER.MTCOOPH.N_CTX "$nctx" TRAINER.MTCOOPH.CSC "$csc" TRAINER.MTCOOPH.TSC "$tsc"
