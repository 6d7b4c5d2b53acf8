#!/usr/bin/env bash
# CoCoOp on ImageNet, for tests on other data sets, as CoOp's script of this path.
#
#   scripts/cocoop/xd_train.sh SEED
#
# Flags of `python -m softcpt grid` and KEY VALUE pairs may stand behind the seed.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../common.sh"
help_if_asked "$@"
words "1" "$@"
grid --methods CoCoOp --data imagenet --config vit_b16_c4_ep10_batch1_ctxv1 --shots 16 --seeds "${given[0]}" \
    --layout "{data}/{trainer}/{config}_{shots}shots/seed{seed}" ${more[@]+"${more[@]}"}
