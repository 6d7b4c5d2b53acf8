#!/usr/bin/env bash
# SoftCPT from base to new classes, as SoftCPT's script of this name.
#
#   scripts/main_mtcoop_base2new_test.sh DATASET CFG SHOTS CLASS_N_CTX CLASS_CSC TASK_N_CTX TASK_CSC N_CTX CSC PG_TYPE PG_RATIO
#
# Trains on the first half of each task's classes and tests on the others, with seeds 1, 2, 3. What is done already is not
# run again: the scripts that train and that test are one. The words are explained in scripts/softcpt.sh. Behind the words
# come flags and KEY VALUE pairs, as there.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
help_if_asked "$@"
exec "$here/scripts/main_mtcoop_base2new_train.sh" "$@"
