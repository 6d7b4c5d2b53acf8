#!/usr/bin/env bash
# MVLPT: one prompt for one data set or several, from scratch or from a source prompt.
#
#   scripts/mvlpt.sh [TRAINER CFG NCTX SHOTS SEED DATASET] [flags of train.py] [KEY VALUE ...]
#   scripts/mvlpt.sh UPT vit_b16 4 20 1 source --root /path/to/data     # the eleven source tasks together
#   scripts/mvlpt.sh UPT vit_b16 4 20 1 mnist --root /path/to/data \
#       --model-dir output/mvlpt/source/UPT/vit_b16_20shots/nctx4/seed1
#
# TRAINER  CoOp, VPT, UPT or COCOOP (CoOp)             SHOTS    images per class (4)
# CFG      a name in configs/trainers/MVLPT (tiny)     SEED     one, or several in quotes (1)
# NCTX     context vectors, prompts per block (16)     DATASET  names of data sets or ELEVATER tasks with commas between
#                                                               them, or source (Emoji44)
#
# Words that are left out are as in brackets. As in the published scripts the prompt that is best on validation images counts;
# where ImageNet is among the data sets the last one does, for ImageNet's validation images are its test images.
# `python -m softcpt average` makes the mean of several seeds' prompts, for --model-dir. Data sets are looked for below $DATA,
# or --root. A run that was done, or stopped, is not done again, but continued.
#
# MVLPT_SOURCE=source, or names as of DATASET, starts from the prompt that the same words gave there; --model-dir FOLDER from any.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
help_if_asked "$@"
words "CoOp tiny 16 4 1 Emoji44" "$@"
trainer="${given[0]}" cfg="${given[1]}" nctx="${given[2]}" shots="${given[3]}" data="${given[5]}"
case "$trainer" in
    CoOp) prompts=(TRAINER.MVLPT.COOP.N_CTX "$nctx") ;;
    VPT) prompts=(TRAINER.MVLPT.VPT.N_CTX "$nctx" TRAINER.MVLPT.COOP.N_CTX 0) ;;
    UPT) prompts=(TRAINER.MVLPT.VPT.N_CTX "$nctx" TRAINER.MVLPT.COOP.N_CTX "$nctx") ;;
    COCOOP) prompts=(TRAINER.MVLPT.COCOOP.N_CTX "$nctx" TRAINER.MVLPT.COOP.N_CTX 0) ;;
    *) echo "mvlpt.sh: trainer $trainer: there is none; give CoOp, VPT, UPT or COCOOP" >&2; exit 2 ;;
esac
coop=ImageNet,Caltech101,Food101,StanfordCars,OxfordPets,OxfordFlowers,FGVCAircraft,SUN397,DescribableTextures,EuroSAT,UCF101
if [[ "$data" == source ]]; then sets=$coop; else sets=$data; fi
for seed in ${given[4]}; do
    below="$trainer/${cfg}_${shots}shots/nctx$nctx/seed$seed"
    start=()
    if [[ "${MVLPT_SOURCE:-}" && " ${more[*]-} " != *" --model-dir"* ]]; then
        start=(--model-dir "output/mvlpt/$MVLPT_SOURCE/$below")
        if [[ ! -d "${start[1]}" ]]; then
            echo "mvlpt.sh: ${start[1]}: no such run to start from; make it with scripts/mvlpt.sh $trainer $cfg $nctx $shots" \
                "$seed $MVLPT_SOURCE, give another with --model-dir FOLDER, or train from scratch with scripts/mvlpt.sh" >&2
            exit 2
        fi
    fi
    python "$here/train.py" ${DATA:+--root "$DATA"} --trainer MVLPT --config-file "$here/configs/trainers/MVLPT/$cfg.yaml" \
        --dataset "$sets" --shots "$shots" --seed "$seed" \
        --output-dir "output/mvlpt/$data/$below" ${start[@]+"${start[@]}"} \
        ${more[@]+"${more[@]}"} "${prompts[@]}" TRAINER.MVLPT.COOP.CLASS_TOKEN_POSITION middle TEST.FINAL_MODEL best_val
done
