# What the scripts share. $DATA is the folder of all data sets; --root replaces it.
here="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
export PYTHONPATH="$here${PYTHONPATH:+:$PYTHONPATH}"

# The published scripts are started in their own folder, and write into the checkout's output/.
case "$PWD/" in "$here"/scripts/*) cd "$here" ;; esac

# Print the comment at the top of the script, if the words ask for help.
help_if_asked() {
    case " $* " in *" --help "* | *" -h "*) sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"; exit 0 ;; esac
}

# words "DEFAULT ..." "$@": the words up to the first flag into `given`, in the place of the defaults; the rest into `more`.
words() {
    local place=0
    read -ra given <<< "$1"
    shift
    while (( place < ${#given[@]} && $# )) && [[ "$1" != --* ]]; do
        given[place]="$1"
        place=$((place + 1))
        shift
    done
    more=("$@")
}

grid() {
    python -m softcpt grid ${DATA:+--root "$DATA"} "$@"
}

# evaluate TRAINER CFG DATASET SEED RUN OUTPUT ...: test the prompt of a run on a data set.
evaluate() {
    python "$here/train.py" ${DATA:+--root "$DATA"} --trainer "$1" --config-file "$2" --dataset-config-file "$3" --seed "$4" \
        --model-dir "$5" --output-dir "$6" --eval-only "${@:7}"
}
