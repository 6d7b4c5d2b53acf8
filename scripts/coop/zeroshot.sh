#!/usr/bin/env bash
# Zero-shot CLIP, as CoOp's script of this path: it is scripts/zeroshot.sh.
#
#   scripts/coop/zeroshot.sh DATASET CFG
#
# The words are explained there. Behind the words come flags and KEY VALUE pairs, as there.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../common.sh"
help_if_asked "$@"
exec "$here/scripts/zeroshot.sh" "$@"
