#!/usr/bin/env bash
# SoftCPT on one data set, as SoftCPT's script of this name: it is scripts/softcpt.sh.
#
#   scripts/main_mtcoop.sh DATASET CFG SHOTS CLASS_N_CTX CLASS_CSC TASK_N_CTX TASK_CSC N_CTX CSC PG_TYPE PG_RATIO
#
# The words are explained there. Behind the words come flags and KEY VALUE pairs, as there.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
help_if_asked "$@"
exec "$here/scripts/softcpt.sh" "$@"
