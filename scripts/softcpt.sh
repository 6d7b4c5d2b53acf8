#!/usr/bin/env bash
# SoftCPT on one (multi-task) data set with seeds 1, 2, 3.
#
#   scripts/softcpt.sh [DATASET CFG SHOTS CLASS_N_CTX CLASS_CSC TASK_N_CTX TASK_CSC N_CTX CSC PG_TYPE PG_RATIO CSR] [flags] [KEY VALUE ...]
#   scripts/softcpt.sh plant6 rn50_ep50 16 0 False 4 False 16 False lin 1 --root /path/to/data        (SoftCPT-NATA)
#   scripts/softcpt.sh plant6 rn50_ep50 16 0 False 4 True 16 False lin 1                               (SoftCPT-NATS)
#   scripts/softcpt.sh general10 rn50_ep50 16 4 True 4 False 16 True lin 1 0.1                         (SoftCPT-CSTA)
#
# DATASET      a name in configs/datasets (emoji44)           N_CTX     generated context vectors (16)
# CFG          a name in configs/trainers/SoftCPT (tiny)      CSC       a context for every class (False)
# SHOTS        images per class (4)                           PG_TYPE   lin linmean lincls mlp lowrank fedtpg mpt (lin)
# CLASS_N_CTX  context of class features (0)                  PG_RATIO  no effect, as in the published code (1)
# CLASS_CSC    of their own for every class (False)           CSR       share of the other classes that is encoded (0)
# TASK_N_CTX   context of task features (4)
# TASK_CSC     of their own for every task (False)
#
# Words that are left out are as in brackets. Data sets are looked for below $DATA, or --root. Other flags are those of
# `python -m softcpt grid` (--seeds, --workers, --launcher, --output, --list, ...). What is done already is not run again.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
help_if_asked "$@"
words "emoji44 tiny 4 0 False 4 False 16 False lin 1 0" "$@"
read -r dataset cfg shots class_n_ctx class_csc task_n_ctx task_csc n_ctx csc generator ratio rate <<< "${given[*]}"
settings="cnctx${class_n_ctx}_ccsc${class_csc}_tnctx${task_n_ctx}_tcsc${task_csc}_nctx${n_ctx}_csc${csc}_type${generator}_ratio${ratio}"
if [[ "$rate" != 0 ]]; then settings+="_csr${rate}"; fi
grid --methods SoftCPT --data "$dataset" --config "$cfg" --shots "$shots" --seeds 1 2 3 \
    --layout "{data}/{trainer}/{config}_{shots}shots/$settings/seed{seed}" ${more[@]+"${more[@]}"} \
    TRAINER.SOFTCPT.CLASS_N_CTX "$class_n_ctx" TRAINER.SOFTCPT.CLASS_CSC "$class_csc" \
    TRAINER.SOFTCPT.TASK_N_CTX "$task_n_ctx" TRAINER.SOFTCPT.TASK_CSC "$task_csc" TRAINER.SOFTCPT.N_CTX "$n_ctx" \
    TRAINER.SOFTCPT.CSC "$csc" TRAINER.SOFTCPT.GENERATOR "$generator" TRAINER.SOFTCPT.CLS_SAMPLE_RATE "$rate"
