#!/usr/bin/env bash
# CoOp's ImageNet prompts on another data set, as CoOp's script of this path.
#
#   scripts/coop/eval.sh DATASET CFG
#
# Tests what `scripts/coop/main.sh imagenet CFG end 16 16 False` trained, for seeds 1, 2, 3. Flags of train.py and KEY VALUE
# pairs may stand behind the words.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../common.sh"
help_if_asked "$@"
words "imagenetv2 rn50_ep50" "$@"
read -r dataset cfg <<< "${given[*]}"
run="${cfg}_16shots/nctx16_cscFalse_ctpend"
for seed in 1 2 3; do
    evaluate CoOp "$cfg" "$dataset" "$seed" "output/imagenet/CoOp/$run/seed$seed" \
        "output/evaluation/CoOp/$run/$dataset/seed$seed" ${more[@]+"${more[@]}"} \
        TRAINER.COOP.N_CTX 16 TRAINER.COOP.CSC False TRAINER.COOP.CLASS_TOKEN_POSITION end
done
