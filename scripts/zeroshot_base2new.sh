#!/usr/bin/env bash
# Zero-shot CLIP on half of the classes, as SoftCPT's script of this name.
#
#   scripts/zeroshot_base2new.sh DATASET CFG TASK CLASSES
#
# CLASSES is base or new; the other words are those of scripts/zeroshot.sh. Behind the words come flags and KEY VALUE pairs,
# as there.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
help_if_asked "$@"
words "emoji44 tiny 0 new" "$@"
read -r dataset cfg task classes <<< "${given[*]}"
exec "$here/scripts/zeroshot.sh" "$dataset" "$cfg" "$task" --layout "base2new/{trainer}/{config}/$classes/{data}-$task" \
    ${more[@]+"${more[@]}"} DATASET.SUBSAMPLE_CLASSES "$classes"
