#!/usr/bin/env bash
# Zero-shot, CoOp and SoftCPT under identical settings, side by side in the last table.
#
#   scripts/compare.sh                     the embedded benchmark and model
#   scripts/compare.sh [flags of train.py] the same for another data set, seed or KEY VALUE pairs, without --trainer
set -euo pipefail
if [[ "${1:-}" == "--help" ]]; then sed -n '2,5s/^# \{0,1\}//p' "$0"; exit 0; fi
here="$(cd "$(dirname "$0")/.." && pwd)"
for trainer in ZeroshotCLIP CoOp SoftCPT; do
    python "$here/train.py" --trainer "$trainer" "$@"
done
