#!/usr/bin/env bash
# Linear probe, as SoftCPT's script of this name: it is scripts/linear_probe.sh.
#
#   scripts/linearprob.sh DATASET MODEL MAX_TASK_IDX
#
# The words are explained there. Behind the words come flags and KEY VALUE pairs, as there.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
help_if_asked "$@"
exec "$here/scripts/linear_probe.sh" "$@"
