#!/usr/bin/env bash
# CoCoOp from base to new classes, as CoOp's script of this path.
#
#   scripts/cocoop/base2new_test.sh DATASET SEED
#
# It is scripts/cocoop/base2new_train.sh, which trains and tests what is not done yet.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../common.sh"
help_if_asked "$@"
exec "$here/scripts/cocoop/base2new_train.sh" "$@"
