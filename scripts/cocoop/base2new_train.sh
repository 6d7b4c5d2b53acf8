#!/usr/bin/env bash
# CoCoOp from base to new classes, as CoOp's script of this path.
#
#   scripts/cocoop/base2new_train.sh DATASET SEED
#
# Trains on the first half of the classes and tests on the others. What is done already is not run again: the scripts that
# train and that test are one. It is scripts/base2new.sh with 16 images per class; --methods CoOp --config vit_b16_ctxv1 is
# the published other setting.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../common.sh"
help_if_asked "$@"
words "oxford_pets 1" "$@"
exec "$here/scripts/base2new.sh" "${given[@]}" --methods CoCoOp --config vit_b16_c4_ep10_batch1_ctxv1 --shots 16 ${more[@]+"${more[@]}"}
