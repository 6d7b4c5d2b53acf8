#!/usr/bin/env bash
# MVLPT on one of CoOp's data sets, as MVLPT's script of this path.
#
#   scripts/mvlpt/main_single_coopdata_cut.sh TRAINER CFG NCTX SHOTS SEED DATASET
#
# It is scripts/mvlpt.sh, which explains the words. Training starts from the prompt that main_mt_coopdata_cut.sh TRAINER CFG
# NCTX SHOTS SEED gave, or from that in --model-dir FOLDER. Behind the words come flags and KEY VALUE pairs, as there.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../common.sh"
help_if_asked "$@"
export MVLPT_SOURCE=source
exec "$here/scripts/mvlpt.sh" "$@"
