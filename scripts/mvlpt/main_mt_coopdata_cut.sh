#!/usr/bin/env bash
# MVLPT on CoOp's eleven data sets together, as MVLPT's script of this path.
#
#   scripts/mvlpt/main_mt_coopdata_cut.sh TRAINER CFG NCTX SHOTS SEED
#
# It is scripts/mvlpt.sh, which explains the words, with "source" as its data. Behind the words come flags and KEY VALUE
# pairs, as there.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../common.sh"
help_if_asked "$@"
words "CoOp vit_b16 16 20 1" "$@"
exec "$here/scripts/mvlpt.sh" "${given[@]}" source ${more[@]+"${more[@]}"}
