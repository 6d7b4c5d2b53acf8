#!/usr/bin/env bash
# Zero-shot, CoOp, SoftCPT and the head TextGDA-MT under identical settings, side by side in one table.
#
#   scripts/compare.sh                     the embedded benchmark and model
#   scripts/compare.sh [flags] [KEY VALUE ...]
#   scripts/compare.sh --data plant6 --config rn50_ep50 --shots 1 4 16 --seeds 1 2 3 --root /path/to/data
#
# Flags are those of `python -m softcpt grid` (--methods, --data, --config, --shots, --seeds, --backbone, --workers, --launcher,
# --output, --list, ...). Data sets are looked for below $DATA, or --root. What is done already is not run again.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
help_if_asked "$@"
grid --methods ZeroshotCLIP CoOp SoftCPT TextGDAMT --layout "{dataset}/{trainer}/{config}_{shots}shots{mark}/seed{seed}" "$@"
