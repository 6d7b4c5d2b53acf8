"""Trainer MVLPT: the published keys and flags, joint training, and source prompts that other tasks
start from."""

from __future__ import annotations

from functools import partial
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
from softcpt.engine import config, run_flags
from softcpt.engine.trainer import PromptTrainer
from softcpt.prompters import build_prompter
from softcpt.testing.prompted_vit import joint_loss
from tests.helpers.coop_family import TASK_SETS, build
from tests.helpers.equations import features as text_features
from tests.helpers.runs import (
    agree,
    close,
    identical,
    interrupted_before,
    prompt,
    recorded_logits,
    run,
)
from tests.helpers.task_parts import Parts
from tests.helpers.toy import arguments

mvlpt = plugins.load("trainers")["mvlpt"]
train_on_parts = partial(run, data="Parts", epochs=1)
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
def test_every_description_can_be_built(double_clip, method):
    found, options = described(*LENGTHS[method])
    assert found == method and isinstance(
        build_prompter(method, double_clip, TASKS, **options), softcpt.Prompter
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
    cfg = run_flags.setup_config(
        run_flags.parser().parse_args(arguments(tmp_path, "MVLPT", *flags))
    )
    assert (cfg.DATASET.NAME, cfg.DATASET.TASKS, cfg.DATASET.NUM_SHOTS) == (
        "MultiTask",
        ("Toy", "Imagined"),
        5,
    )
    assert mvlpt.method_and_options(cfg)[1]["softmax"] == "task"
    with pytest.raises(UserError, match="--multi-task-evalkey: it is for --trainer MVLPT"):
        run_flags.setup_config(
            run_flags.parser().parse_args(
                arguments(tmp_path, "UPT", "--multi-task-evalkey", "flower")
            )
        )


def test_one_data_set_can_be_named_by_the_flag_too(tmp_path):
    def folder(*flags: str) -> str:
        given = arguments(tmp_path, "MVLPT", "--shots", "3", *flags, *LENGTHS["VPT"])
        cfg = run_flags.setup_config(run_flags.parser().parse_args(given))
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
    cfg = run_flags.setup_config(
        run_flags.parser().parse_args(arguments(tmp_path, "MVLPT", *flags, *LENGTHS["VPT"]))
    )
    assert cfg.DATASET.TASKS == ("CIFAR10", "VOC2007", "Toy")
    names = ("small object image classification", "scenes", "x")
    tasks = softcpt.TaskSet([softcpt.Task(name, ["a", "b"]) for name in names])
    assert mvlpt.counting_task(cfg, tasks) == names[0]
    cfg = run_flags.setup_config(
        run_flags.parser().parse_args(arguments(tmp_path, "CoOp", "DATASET.NAME", "mnist"))
    )
    assert cfg.DATASET.NAME == "MNIST"
    config.merge_pairs(cfg.defrost() or cfg, ["DATASET.MULTITASK_EVALKEY", "gtsrb"])
    with pytest.raises(UserError, match="MULTITASK_EVALKEY is 'gtsrb': no such task"):
        mvlpt.counting_task(cfg, tasks)


# -- equations -------------------------------------------------------------------------------------


def test_one_context_in_the_middle_learns_from_a_joint_softmax(double_clip):
    prompter = build("CoOp-MT", double_clip, TASKS, n_ctx=5, position="middle", softmax="joint")
    features = F.normalize(torch.randn(6, 64, dtype=torch.float64), dim=1)
    labels = torch.tensor([0, 4, 7, 2, 5, 1])
    loss, accuracy = prompter.loss(features, labels)
    ctx = prompter.prompt_learner.ctx.detach().requires_grad_()
    classes = F.normalize(text_features(double_clip, TASKS.class_names, [ctx] * 8, "middle"), dim=1)
    logits = 100 * features @ classes.t()
    wanted = joint_loss(TASKS, logits, labels)
    assert torch.allclose(loss, wanted, rtol=1e-6)  # exp(logit_scale) is float32's
    assert accuracy == pytest.approx(100 * (logits.argmax(dim=1) == labels).float().mean().item())
    (mine,), (theirs,) = (
        torch.autograd.grad(loss, prompter.prompt_learner.ctx),
        torch.autograd.grad(wanted, ctx),
    )
    assert (mine - theirs).norm() < 1e-6 * theirs.norm()


def test_cocoop_has_a_joint_softmax_and_the_published_names(double_clip):
    prompter = build("CoCoOp-MT", double_clip, TASKS, n_ctx=3, softmax="joint")
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
            * F.normalize(
                text_features(double_clip, TASKS.class_names, [context] * 8, "end"), dim=1
            )
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
    with recorded_logits() as tests:
        source = train_on_parts(tmp_path, "MVLPT", *lengths, out="source")
    assert source["method"] == method and source["source"] is None
    one_task = (
        "--model-dir",
        str(tmp_path / "source"),
        *lengths,
        "DATASET.SUBSAMPLE_TASKS",
        "task1",
    )
    with recorded_logits() as tests_of_one:
        zero_shot_transfer = train_on_parts(
            tmp_path, "MVLPT", "--eval-only", *one_task, out="transfer"
        )
    assert [task["name"] for task in zero_shot_transfer["tasks"][method]] == ["land use"]
    rows, columns = slice(9, 15), Parts.tasks.columns(1)  # three images of each class, in order
    assert agree(tests_of_one, [logits[rows, columns] for logits in tests])
    target = train_on_parts(tmp_path, "MVLPT", *one_task, out="target")
    assert identical(starts[-1], prompt(tmp_path / "source")) and not identical(
        prompt(tmp_path / "target"), starts[-1]
    )
    assert (
        target["source"]["prompt"].startswith(str(tmp_path / "source")) and target["loaded"] is None
    )


def test_a_run_continues_only_from_the_prompt_that_it_started_from(tmp_path, capsys):
    train_on_parts(tmp_path, "CoOpMT", out="source")
    start = ("--model-dir", str(tmp_path / "source"))
    first = train_on_parts(tmp_path, "CoOpMT", *start, out="target")
    assert train_on_parts(tmp_path, "CoOpMT", *start, out="target")["overall"] == first["overall"]
    with pytest.raises(SystemExit):
        train_on_parts(tmp_path, "CoOpMT", out="target")
    assert (
        "it holds a run that started from another prompt; give its --model-dir"
        in capsys.readouterr().err
    )


@pytest.mark.parametrize("trainer", ["CoOp", "CoOpMT"])
def test_coop_starts_from_the_contexts_that_softcpt_makes_from_names(tmp_path, starts, trainer):
    train_on_parts(tmp_path, "SoftCPT", "DATASET.SUBSAMPLE_TASKS", "task0", out="source")
    train_on_parts(tmp_path, trainer, "--model-dir", str(tmp_path / "source"), out="target")
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
    train_on_parts(tmp_path, "SoftCPT", "TRAINER.SOFTCPT.CSC", "True", out="source")
    begin = ("--model-dir", str(tmp_path / "source"))
    train_on_parts(tmp_path, "CoOp", *begin, "TRAINER.COOP.CSC", "True", out="classes")
    train_on_parts(tmp_path, "CoOp", *begin, out="tasks")
    of_classes, of_tasks = starts[-2:]
    name = "prompt_learner.learners.1.ctx"
    assert torch.allclose(of_classes[name].mean(dim=0), of_tasks[name])


def test_a_softcpt_prompt_of_another_form_is_refused(tmp_path, capsys):
    train_on_parts(tmp_path, "SoftCPT", out="source")
    with pytest.raises(SystemExit):
        train_on_parts(
            tmp_path,
            "CoOp",
            "--model-dir",
            str(tmp_path / "source"),
            "TRAINER.COOP.N_CTX",
            "4",
            out="target",
        )
    assert "option n_ctx = 4: the SoftCPT prompt to start from has 16" in capsys.readouterr().err


def test_the_prompts_of_three_seeds_are_averaged(tmp_path, capsys):
    for seed in ("1", "2", "3"):
        train_on_parts(tmp_path, "MVLPT", "--seed", seed, *LENGTHS["UPT"], out=f"source/seed{seed}")
    command(["average", str(tmp_path / "source")])
    assert "the mean of 3 prompts" in capsys.readouterr().out
    states = [prompt(tmp_path / "source" / f"seed{seed}") for seed in (1, 2, 3)]
    mean = load_file(tmp_path / "source" / "prompt" / "best.safetensors")
    assert all(
        torch.allclose(mean[name], sum(state[name] for state in states) / 3, atol=1e-6)
        for name in states[0]
    )
    target = train_on_parts(
        tmp_path, "MVLPT", "--model-dir", str(tmp_path / "source"), *LENGTHS["UPT"], out="target"
    )
    assert target["source"]["prompt"].endswith("best.safetensors")
    train_on_parts(tmp_path, "MVLPT", *LENGTHS["VPT"], out="other")
    with pytest.raises(UserError, match="its method is not that of"):
        average([tmp_path / "source" / "seed1", tmp_path / "other"], tmp_path / "mean")


# -- runs ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["VPT", "UPT"])
def test_image_prompts_see_images_and_zero_shot_the_bank(tmp_path, method):
    with recorded_logits() as banked:
        train_on_parts(tmp_path, "MVLPT", *LENGTHS[method], out="bank")
    log = (tmp_path / "bank" / "log.txt").read_text()
    assert f"{method} prompts the image tower: images are encoded at every step" in log
    with recorded_logits() as online:
        train_on_parts(tmp_path, "MVLPT", *LENGTHS[method], "FEATURES.MODE", "online", out="online")
    assert close(prompt(tmp_path / "bank"), prompt(tmp_path / "online"), atol=1e-5)
    assert agree(banked, online)


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
    tasks = train_on_parts(tmp_path, "MVLPT", *flags, out="run")["tasks"]["CoOp-MT"]
    assert reached[-1] == tasks[1]["metric"]
    with pytest.raises(SystemExit):
        train_on_parts(
            tmp_path, "MVLPT", "--multi-task-evalkey", "land", *LENGTHS["CoOp-MT"], out="other"
        )


def test_joint_and_per_task_training_differ(tmp_path):
    joint = train_on_parts(tmp_path, "MVLPT", *LENGTHS["VPT"], out="joint")
    own = train_on_parts(
        tmp_path, "MVLPT", "--multi-task-label_pertask", *LENGTHS["VPT"], out="task"
    )
    assert joint["curve"][0]["loss"] > own["curve"][0]["loss"]


@pytest.mark.parametrize("trainer", ["VPT", "UPT"])
def test_training_with_image_prompts_lowers_the_loss(tmp_path, trainer):
    losses = [
        entry["loss"] for entry in run(tmp_path, trainer, out="out", epochs=10, data="Toy")["curve"]
    ]
    assert losses[-1] < 0.8 * losses[0]


def test_a_run_stopped_between_epochs_continues_bit_for_bit(tmp_path):
    pairs = (*LENGTHS["UPT"], "TRAINER.MVLPT.VPT.DROPOUT", "0.5")
    train_on_parts(tmp_path, "MVLPT", *pairs, out="whole", epochs=3)
    with interrupted_before(2):
        train_on_parts(tmp_path, "MVLPT", *pairs, out="stopped", epochs=3)
    train_on_parts(tmp_path, "MVLPT", *pairs, out="stopped", epochs=3)
    assert identical(prompt(tmp_path / "whole"), prompt(tmp_path / "stopped"))


def test_a_method_that_prompts_images_names_backbones_that_have_a_place_for_them(tmp_path, capsys):
    with pytest.raises(SystemExit):
        train.main(["--trainer", "VPT", "--no-train", "--output-dir", str(tmp_path)])
    assert "choose one, such as ViT-B/32, ViT-B/16 or ViT-L/14" in capsys.readouterr().err
