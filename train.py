"""Train a prompt, or test one.

    python train.py --trainer SoftCPT        # the embedded benchmark and model, on any machine
    python train.py --trainer SoftCPT --root DATA \
        --dataset-config-file configs/datasets/general10.yaml \
        --config-file configs/trainers/SoftCPT/rn50_ep50.yaml --seed 1 DATASET.NUM_SHOTS 16
    python train.py --trainer SoftCPT ... --eval-only --model-dir OUT --load-epoch 50

The flags are CoOp's. What happens, in order: softcpt/engine/run.py (configuration, one run) ->
trainers/<method>.py -> softcpt/engine/trainer.py (data, step, test) ->
softcpt/prompters/<method>.py (the method's equation) -> softcpt/text/encoder.py (the text tower).
"""

from softcpt.cli.train import main

if __name__ == "__main__":
    main()
