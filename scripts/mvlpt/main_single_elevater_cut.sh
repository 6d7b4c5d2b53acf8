#!/usr/bin/env bash
# MVLPT on one task of ELEVATER, as MVLPT's script of this path.
#
#   scripts/mvlpt/main_single_elevater_cut.sh TRAINER CFG NCTX SHOTS SEED DATASET
#
# It is scripts/mvlpt.sh, which explains the words. The source prompt that training starts from is given as --model-dir
# FOLDER; the published script has its own folder in that place. Behind the words come flags and KEY VALUE pairs, as there.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../common.sh"
help_if_asked "$@"
exec "$here/scripts/mvlpt.sh" "$@"
