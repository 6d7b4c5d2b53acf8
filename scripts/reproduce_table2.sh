#!/usr/bin/env bash
# All thirteen rows of SoftCPT's table for one of its benchmarks, five shot settings, three seeds; in the end the published
# table beside ours.
#
#   scripts/reproduce_table2.sh [BENCHMARK CFG] [flags] [KEY VALUE ...]
#   scripts/reproduce_table2.sh plant6 rn50_ep50 --root /path/to/data
#   scripts/reproduce_table2.sh plant6 rn50_ep50 --dry-run             show the runs, and what is done of them
#
# BENCHMARK  general10, plant6, rs8 or fashion20 (plant6)
# CFG        a name in configs/trainers/shared: rn50_ep50 is the published table's (rn50_ep50)
#
# The methods are in configs/grids/table2.yaml. Runs go to output/table2/BENCHMARK, the report to its folder report. Data
# sets are looked for below $DATA, or --root. Other flags are those of `python -m softcpt grid` (--workers, --launcher,
# --methods, --shots, --seeds, ...). Given again, the command runs what is left.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
help_if_asked "$@"
words "plant6 rn50_ep50" "$@"
read -r benchmark cfg <<< "${given[*]}"
case "$benchmark" in
    general10 | plant6 | rs8 | fashion20) ;;
    *) echo "error: $benchmark: the table has general10, plant6, rs8 and fashion20; give one of them" >&2; exit 2 ;;
esac
output="output/table2/$benchmark"
prompts=4
if [[ "$benchmark" == general10 ]]; then prompts=2; fi  # PLOT's, by the table's count of parameters
status=0
grid "$here/configs/grids/table2.yaml" --data "$benchmark" --config "$cfg" --output "$output" ${more[@]+"${more[@]}"} \
    TRAINER.PLOT.N_PROMPTS "$prompts" || status=$?
case " $* " in *" --dry-run "* | *" --list "*) exit "$status" ;; esac
if (( status < 2 )); then python -m softcpt report "$output" --to "$output/report"; fi
exit "$status"
