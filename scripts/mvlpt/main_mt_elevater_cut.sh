#!/usr/bin/env bash
# MVLPT on ELEVATER's twenty tasks together, as MVLPT's script of this path, with seeds 1, 2, 3.
#
#   scripts/mvlpt/main_mt_elevater_cut.sh TRAINER CFG NCTX SHOTS
#
# It is scripts/mvlpt.sh, which explains the words. Behind the words come flags and KEY VALUE pairs, as there.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../common.sh"
help_if_asked "$@"
words "CoOp vit_b16 16 20" "$@"
tasks=hateful-memes,cifar-10,mnist,oxford-flower-102,oxford-iiit-pets,resisc45_clip,country211,food-101,stanford-cars,caltech-101
tasks+=,dtd,voc-2007-classification,cifar-100,fgvc-aircraft-2013b-variants102,patch-camelyon,rendered-sst2,gtsrb,eurosat_clip
tasks+=,fer-2013,kitti-distance
exec "$here/scripts/mvlpt.sh" "${given[@]}" "1 2 3" "$tasks" ${more[@]+"${more[@]}"}
