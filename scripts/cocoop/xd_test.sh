#!/usr/bin/env bash
# CoCoOp's ImageNet prompt on another data set, as CoOp's script of this path.
#
#   scripts/cocoop/xd_test.sh DATASET SEED
#
# Tests what scripts/cocoop/xd_train.sh trained. Flags of train.py and KEY VALUE pairs may stand behind the words.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../common.sh"
help_if_asked "$@"
words "imagenetv2 1" "$@"
read -r dataset seed <<< "${given[*]}"
run=vit_b16_c4_ep10_batch1_ctxv1_16shots
evaluate CoCoOp vit_b16_c4_ep10_batch1_ctxv1 "$dataset" "$seed" "output/imagenet/CoCoOp/$run/seed$seed" \
    "output/evaluation/CoCoOp/$run/$dataset/seed$seed" ${more[@]+"${more[@]}"}
