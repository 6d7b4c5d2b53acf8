"""Trainer MVLPT: the published keys and flags, joint training, and source prompts that other tasks
start from."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file

import softcpt
from softcpt import UserError, plugins
from softcpt.artefacts.average import average
from softcpt.cli import train
from softcpt.cli.main import main as command
from softcpt.engine import config
from softcpt.engine.trainer import PromptTrainer
from softcpt.prompters import build_prompter
from softcpt.testing.prompted_vit import joint_loss
from tests.helpers.coop_family import TASK_SETS, build, double_clip
from tests.helpers.equations import features as text_features
from tests.helpers.task_parts import Parts, prompt
from tests.helpers.toy import arguments

mvlpt = plugins.load("trainers")["mvlpt"]
TASKS = TASK_SETS["three tasks"]
VPT, COOP, COCOOP = (
    "TRAINER.MVLPT.VPT.N_CTX",
    "TRAINER.MVLPT.COOP.N_CTX",
    "TRAINER.MVLPT.COCOOP.N_CTX",
)
LENGTHS = {
    "VPT": (VPT, "2"),
    "CoOp-MT": (COOP, "2"),
    "UPT": (VPT, "2", COOP, "2"),
    "CoCoOp-MT": (COCOOP, "2"),
}


@pytest.fixture(scope="module")
def clip():
    return double_clip()


def described(*pairs: str):
    cfg = config.default_config()
    config.merge_pairs(cfg, pairs)
    return mvlpt.method_and_options(cfg)


# -- keys and flags --------------------------------------------------------------------------------


def test_lengths_say_which_prompts_there_are():
    assert described(VPT, "16") == (
        "VPT",
        {
            "softmax": "joint",
            "n_ctx": 16,
            "deep": True,
            "dropout": 0.0,
            "checkpoint": False,
            "project_dim": 0,
        },
    )
    assert described(COOP, "16") == (
        "CoOp-MT",
        {"softmax": "joint", "n_ctx": 16, "csc": False, "ctx_init": "", "position": "middle"},
    )
    assert described(COCOOP, "4") == ("CoCoOp-MT", {"softmax": "joint", "n_ctx": 4, "ctx_init": ""})
    method, options = described(
        VPT,
        "3",
        COOP,
        "4",
        "TRAINER.MVLPT.PROJECT_METHOD",
        "mlp",
        "TRAINER.MVLPT.PROJECT_DIM",
        "64",
        "TRAINER.MVLPT.VPT.DEEP",
        "False",
        "DATASET.MULTITASK_LABEL_PERTASK",
        "True",
    )
    assert method == "UPT"
    chosen = {
        "n_ctx": 4,
        "visual_n_ctx": 3,
        "project": "mlp",
        "project_dim": 64,
        "deep": False,
        "softmax": "task",
        "position": "middle",
    }
    assert chosen.items() <= options.items()


@pytest.mark.parametrize("method", LENGTHS)
def test_every_description_can_be_built(clip, method):
    found, options = described(*LENGTHS[method])
    assert found == method and isinstance(
        build_prompter(method, clip, TASKS, **options), softcpt.Prompter
    )


@pytest.mark.parametrize(
    "pairs, message",
    [
        ((), "no prompt has a length; give COOP.N_CTX 16"),
        ((COOP, "4", COCOOP, "4"), "COOP and COCOOP do not go together"),
        (
            (VPT, "4", COOP, "4", "TRAINER.MVLPT.VPT.PROJECT", "64"),
            "VPT.PROJECT is 64: .* leave it at -1",
        ),
        (
            (VPT, "4", "TRAINER.MVLPT.VPT.CTX_INIT", "a photo"),
            "image prompts cannot start from words",
        ),
        ((VPT, "4", "DATASET.TEST_SET", "test"), "TEST.SPLIT chooses what is tested"),
    ],
)
def test_what_no_prompt_can_be_is_refused(pairs, message):
    with pytest.raises(UserError, match=message):
        described(*pairs)


def test_published_keys_are_read_as_ours():
    cfg = config.default_config()
    config.merge_pairs(
        cfg, ["DATASET.NUM_SAMPLES_PER_CLASS", "5", "DATASET.RANDOM_SEED_SAMPLING", "3"]
    )
    assert (cfg.DATASET.NUM_SHOTS, cfg.SEED) == (5, 3)


def test_the_published_commands_flags_are_understood(tmp_path):
    flags = [
        "--dataset",
        "Toy,Imagined",
        "--shots",
        "5",
        "--seed",
        "0",
        "--multi-task",
        "--dataset-coop",
        "--act-ckpt",
        "1",
        "--cut-contextlen",
        "--multi-task-label_pertask",
        "--multi-task-evalkey",
        "flower",
        *LENGTHS["UPT"],
    ]
    cfg = train.setup_config(train.parser().parse_args(arguments(tmp_path, "MVLPT", *flags)))
    assert (cfg.DATASET.NAME, cfg.DATASET.TASKS, cfg.DATASET.NUM_SHOTS) == (
        "MultiTask",
        ("Toy", "Imagined"),
        5,
    )
    assert mvlpt.method_and_options(cfg)[1]["softmax"] == "task"
    with pytest.raises(UserError, match="--multi-task-evalkey: it is for --trainer MVLPT"):
        train.setup_config(
            train.parser().parse_args(arguments(tmp_path, "UPT", "--multi-task-evalkey", "flower"))
        )


def test_one_data_set_can_be_named_by_the_flag_too(tmp_path):
    def folder(*flags: str) -> str:
        given = arguments(tmp_path, "MVLPT", "--shots", "3", *flags, *LENGTHS["VPT"])
        cfg = train.setup_config(train.parser().parse_args(given))
        assert cfg.DATASET.NAME in ("Toy", "MultiTask")
        return cfg.OUTPUT_DIR

    runs = [
        ["Toy"],
        ["Toy,Parts"],
        ["Toy,Other"],
        ["Toy", "--model-dir", "source"],
        ["Toy", "--multi-task-evalkey", "x"],
    ]
    assert len({folder("--dataset", *flags) for flags in runs}) == len(runs)


def test_names_of_elevater_are_read_as_ours(tmp_path):
    flags = (
        "--dataset",
        "cifar-10,voc-2007-classification,Toy",
        "--multi-task-evalkey",
        "cifar-10",
    )
    cfg = train.setup_config(
        train.parser().parse_args(arguments(tmp_path, "MVLPT", *flags, *LENGTHS["VPT"]))
    )
    assert cfg.DATASET.TASKS == ("CIFAR10", "VOC2007", "Toy")
    names = ("small object image classification", "scenes", "x")
    tasks = softcpt.TaskSet([softcpt.Task(name, ["a", "b"]) for name in names])
    assert mvlpt.counting_task(cfg, tasks) == names[0]
    cfg = train.setup_config(
        train.parser().parse_args(arguments(tmp_path, "CoOp", "DATASET.NAME", "mnist"))
    )
    assert cfg.DATASET.NAME == "MNIST"
    config.merge_pairs(cfg.defrost() or cfg, ["DATASET.MULTITASK_EVALKEY", "gtsrb"])
    with pytest.raises(UserError, match="MULTITASK_EVALKEY is 'gtsrb': no such task"):
        mvlpt.counting_task(cfg, tasks)


# -- equations -------------------------------------------------------------------------------------


def test_one_context_in_the_middle_learns_from_a_joint_softmax(clip):
    prompter = build("CoOp-MT", clip, TASKS, n_ctx=5, position="middle", softmax="joint")
    features = F.normalize(torch.randn(6, 64, dtype=torch.float64), dim=1)
    labels = torch.tensor([0, 4, 7, 2, 5, 1])
    loss, accuracy = prompter.loss(features, labels)
    ctx = prompter.prompt_learner.ctx.detach().requires_grad_()
    classes = F.normalize(text_features(clip, TASKS.class_names, [ctx] * 8, "middle"), dim=1)
    logits = 100 * features @ classes.t()
    wanted = joint_loss(TASKS, logits, labels)
    assert torch.allclose(loss, wanted, rtol=1e-6)  # exp(logit_scale) is float32's
    assert accuracy == pytest.approx(100 * (logits.argmax(dim=1) == labels).float().mean().item())
    (mine,), (theirs,) = (
        torch.autograd.grad(loss, prompter.prompt_learner.ctx),
        torch.autograd.grad(wanted, ctx),
    )
    assert (mine - theirs).norm() < 1e-6 * theirs.norm()


def test_cocoop_has_a_joint_softmax_and_the_published_names(clip):
    prompter = build("CoCoOp-MT", clip, TASKS, n_ctx=3, softmax="joint")
    features = F.normalize(torch.randn(3, 64, dtype=torch.float64), dim=1)
    labels = torch.tensor([0, 4, 7])
    p = {
        name.removeprefix("prompt_learner."): value
        for name, value in prompter.reference_state().items()
    }
    logits = []
    for feature in features:
        hidden = torch.relu(feature @ p["meta_net.linear1.weight"].t() + p["meta_net.linear1.bias"])
        context = p["ctx"] + hidden @ p["meta_net.linear2.weight"].t() + p["meta_net.linear2.bias"]
        logits.append(
            100
            * F.normalize(text_features(clip, TASKS.class_names, [context] * 8, "end"), dim=1)
            @ feature
        )
    assert torch.allclose(
        prompter.loss(features, labels)[0],
        joint_loss(TASKS, torch.stack(logits), labels),
        rtol=1e-6,
    )
    published = {
        f"prompt_learner.{name.replace('ctx', 'cocoop_ctx')}": value + 1
        for name, value in p.items()
    }
    prompter.load_reference_state(published)
    assert torch.equal(prompter.prompt_learner.ctx, p["ctx"] + 1)


# -- source prompts --------------------------------------------------------------------------------


def run(
    folder: Path, trainer: str, out: str, *more: str, epochs: int = 1, data: str = "Parts"
) -> dict:
    """Flags, then KEY VALUE pairs; returns results.json."""
    train.main(
        arguments(
            folder,
            trainer,
            "--output-dir",
            str(folder / out),
            *more,
            "DATASET.NAME",
            data,
            "OPTIM.MAX_EPOCH",
            str(epochs),
        )
    )
    return json.loads((folder / out / "results.json").read_text())


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@pytest.fixture
def starts(monkeypatch):
    """The state that every training begins with."""
    found, before = [], PromptTrainer.before_epoch

    def watch(self):
        if self.epoch == 0:
            found.append(self.prompter.reference_state())
        before(self)

    monkeypatch.setattr(PromptTrainer, "before_epoch", watch)
    return found


@pytest.mark.parametrize("method", LENGTHS)
def test_a_source_prompt_is_tested_on_a_target_and_adapted_to_it(tmp_path, starts, method):
    lengths = LENGTHS[method]
    source = run(tmp_path, "MVLPT", "source", *lengths)
    assert source["method"] == method and source["source"] is None
    one_task = (
        "--model-dir",
        str(tmp_path / "source"),
        *lengths,
        "DATASET.SUBSAMPLE_TASKS",
        "task1",
    )
    zero_shot_transfer = run(tmp_path, "MVLPT", "transfer", "--eval-only", *one_task)
    assert [task["name"] for task in zero_shot_transfer["tasks"][method]] == ["land use"]
    assert zero_shot_transfer["tasks"][method][0] == source["tasks"][method][1]
    target = run(tmp_path, "MVLPT", "target", *one_task)
    assert same(starts[-1], prompt(tmp_path / "source")) and not same(
        prompt(tmp_path / "target"), starts[-1]
    )
    assert (
        target["source"]["prompt"].startswith(str(tmp_path / "source")) and target["loaded"] is None
    )


def test_a_run_continues_only_from_the_prompt_that_it_started_from(tmp_path, capsys):
    run(tmp_path, "CoOpMT", "source")
    start = ("--model-dir", str(tmp_path / "source"))
    first = run(tmp_path, "CoOpMT", "target", *start)
    assert run(tmp_path, "CoOpMT", "target", *start)["overall"] == first["overall"]
    with pytest.raises(SystemExit):
        run(tmp_path, "CoOpMT", "target")
    assert (
        "it holds a run that started from another prompt; give its --model-dir"
        in capsys.readouterr().err
    )


@pytest.mark.parametrize("trainer", ["CoOp", "CoOpMT"])
def test_coop_starts_from_the_contexts_that_softcpt_makes_from_names(tmp_path, starts, trainer):
    run(tmp_path, "SoftCPT", "source", "DATASET.SUBSAMPLE_TASKS", "task0")
    run(tmp_path, trainer, "target", "--model-dir", str(tmp_path / "source"))
    clip = softcpt.load_clip(Path(__file__).parents[1] / "golden" / "clip_weights.npz")
    source = build_prompter("SoftCPT", clip, Parts.tasks)
    source.load_reference_state(prompt(tmp_path / "source"))
    contexts = source.contexts()
    wanted = (
        {"prompt_learner.ctx": contexts.mean(dim=0)}
        if trainer == "CoOpMT"
        else {
            f"prompt_learner.learners.{task}.ctx": context for task, context in enumerate(contexts)
        }
    )
    assert starts[-1].keys() == wanted.keys()
    assert all(torch.allclose(starts[-1][name], wanted[name], atol=1e-6) for name in wanted)


def test_contexts_that_softcpt_makes_for_classes_start_a_context_per_class_or_their_mean(
    tmp_path, starts
):
    run(tmp_path, "SoftCPT", "source", "TRAINER.SOFTCPT.CSC", "True")
    begin = ("--model-dir", str(tmp_path / "source"))
    run(tmp_path, "CoOp", "classes", *begin, "TRAINER.COOP.CSC", "True")
    run(tmp_path, "CoOp", "tasks", *begin)
    of_classes, of_tasks = starts[-2:]
    name = "prompt_learner.learners.1.ctx"
    assert torch.allclose(of_classes[name].mean(dim=0), of_tasks[name])


def test_a_softcpt_prompt_of_another_form_is_refused(tmp_path, capsys):
    run(tmp_path, "SoftCPT", "source")
    with pytest.raises(SystemExit):
        run(
            tmp_path,
            "CoOp",
            "target",
            "--model-dir",
            str(tmp_path / "source"),
            "TRAINER.COOP.N_CTX",
            "4",
        )
    assert "option n_ctx = 4: the SoftCPT prompt to start from has 16" in capsys.readouterr().err


def test_the_prompts_of_three_seeds_are_averaged(tmp_path, capsys):
    for seed in ("1", "2", "3"):
        run(tmp_path, "MVLPT", f"source/seed{seed}", "--seed", seed, *LENGTHS["UPT"])
    command(["average", str(tmp_path / "source")])
    assert "the mean of 3 prompts" in capsys.readouterr().out
    states = [prompt(tmp_path / "source" / f"seed{seed}") for seed in (1, 2, 3)]
    mean = load_file(tmp_path / "source" / "prompt" / "best.safetensors")
    assert all(
        torch.allclose(mean[name], sum(state[name] for state in states) / 3, atol=1e-6)
        for name in states[0]
    )
    target = run(
        tmp_path, "MVLPT", "target", "--model-dir", str(tmp_path / "source"), *LENGTHS["UPT"]
    )
    assert target["source"]["prompt"].endswith("best.safetensors")
    run(tmp_path, "MVLPT", "other", *LENGTHS["VPT"])
    with pytest.raises(UserError, match="its method is not that of"):
        average([tmp_path / "source" / "seed1", tmp_path / "other"], tmp_path / "mean")


# -- runs ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["VPT", "UPT"])
def test_image_prompts_see_images_and_zero_shot_the_bank(tmp_path, method):
    banked = run(tmp_path, "MVLPT", "bank", *LENGTHS[method])
    log = (tmp_path / "bank" / "log.txt").read_text()
    assert f"{method} prompts the image tower: images are encoded at every step" in log
    online = run(tmp_path, "MVLPT", "online", *LENGTHS[method], "FEATURES.MODE", "online")
    assert same(prompt(tmp_path / "bank"), prompt(tmp_path / "online"))
    assert banked["tasks"][method] == online["tasks"][method]
    # Zero-shot's features come from the bank, in batches of another size: rounding may differ.
    assert {"ZeroShot", method} == banked["tasks"].keys() == online["tasks"].keys()


def test_the_metric_of_one_task_can_be_what_counts(tmp_path, monkeypatch):
    reached, test = [], PromptTrainer.test
    monkeypatch.setattr(
        PromptTrainer,
        "test",
        lambda self, *split, **named: reached.append(test(self, *split, **named)) or reached[-1],
    )
    flags = (
        "--multi-task-evalkey",
        "land use",
        "TEST.FINAL_MODEL",
        "best_val",
        *LENGTHS["CoOp-MT"],
    )
    tasks = run(tmp_path, "MVLPT", "run", *flags)["tasks"]["CoOp-MT"]
    assert reached[-1] == tasks[1]["metric"]
    with pytest.raises(SystemExit):
        run(tmp_path, "MVLPT", "other", "--multi-task-evalkey", "land", *LENGTHS["CoOp-MT"])


def test_joint_and_per_task_training_differ(tmp_path):
    joint = run(tmp_path, "MVLPT", "joint", *LENGTHS["VPT"])
    own = run(tmp_path, "MVLPT", "task", "--multi-task-label_pertask", *LENGTHS["VPT"])
    assert joint["curve"][0]["loss"] > own["curve"][0]["loss"]


@pytest.mark.parametrize("trainer", ["VPT", "UPT"])
def test_training_with_image_prompts_lowers_the_loss(tmp_path, trainer):
    losses = [
        entry["loss"] for entry in run(tmp_path, trainer, "out", epochs=10, data="Toy")["curve"]
    ]
    assert losses[-1] < 0.8 * losses[0]


def test_a_run_stopped_between_epochs_continues_bit_for_bit(tmp_path, monkeypatch):
    pairs = (*LENGTHS["UPT"], "TRAINER.MVLPT.VPT.DROPOUT", "0.5")
    run(tmp_path, "MVLPT", "whole", *pairs, epochs=3)
    original = PromptTrainer.before_epoch

    def stop_at_second(self):
        if self.epoch == 2:
            raise KeyboardInterrupt
        original(self)

    monkeypatch.setattr(PromptTrainer, "before_epoch", stop_at_second)
    with pytest.raises(SystemExit):
        run(tmp_path, "MVLPT", "stopped", *pairs, epochs=3)
    monkeypatch.setattr(PromptTrainer, "before_epoch", original)
    run(tmp_path, "MVLPT", "stopped", *pairs, epochs=3)
    assert same(prompt(tmp_path / "whole"), prompt(tmp_path / "stopped"))


def test_a_trainer_without_a_config_for_tiny_names_those_there_are(tmp_path, capsys):
    with pytest.raises(SystemExit):
        train.main(["--trainer", "VPT"])
    assert (
        "--trainer VPT: no tiny.yaml for it; give --config-file, one of " in capsys.readouterr().err
    )
