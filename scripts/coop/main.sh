#!/usr/bin/env bash
# CoOp on one data set, as CoOp's script of this path: it is scripts/coop.sh.
#
#   scripts/coop/main.sh DATASET CFG CTP NCTX SHOTS CSC
#
# The words are explained there. Behind the words come flags and KEY VALUE pairs, as there.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../common.sh"
help_if_asked "$@"
exec "$here/scripts/coop.sh" "$@"
