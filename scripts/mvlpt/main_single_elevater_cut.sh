#!/usr/bin/env bash
# MVLPT on one task of ELEVATER, as MVLPT's script of this path.
#
#   scripts/mvlpt/main_single_elevater_cut.sh TRAINER CFG NCTX SHOTS SEED DATASET
#
# It is scripts/mvlpt.sh, which explains the words. With VPT and UPT training starts from the prompt that
# main_mt_coopdata_cut.sh TRAINER CFG NCTX SHOTS SEED gave; with CoOp and COCOOP, as published, from scratch. Either starts from
# the prompt in --model-dir FOLDER. Behind the words come flags and KEY VALUE pairs, as there.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../common.sh"
help_if_asked "$@"
case "${1:-CoOp}" in CoOp | COCOOP) ;; *) export MVLPT_SOURCE=source ;; esac
exec "$here/scripts/mvlpt.sh" "$@"
