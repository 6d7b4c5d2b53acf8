"""UPT: the plain equations in float64, its networks, its starts and the published names."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F

import softcpt
from softcpt import UserError
from softcpt.prompters.upt import UnifiedPrompts, UPTOptions
from softcpt.testing.prompted_vit import five_steps_agree, image_features, joint_loss
from softcpt.testing.random_clip import random_openai_state_dict
from tests.helpers.coop_family import TASK_SETS, build
from tests.helpers.equations import features as text_features
from tests.helpers.equations import multi_task_loss

TASKS = TASK_SETS["three tasks"]


def norm(x, p, name):
    return F.layer_norm(x, x.shape[-1:], p[f"{name}.weight"], p[f"{name}.bias"])


def affine(x, p, name):
    """A linear layer, or nothing where there is none of that name."""
    return x @ p[f"{name}.weight"].t() + p[f"{name}.bias"] if f"{name}.weight" in p else x


def block(x, p, mix):
    """CLIP's residual attention block with one head over rows (S, h); without ``mix`` each row is
    its own sequence."""
    weight, bias = (p[f"mvlpt_proj.resblocks.0.attn.in_proj_{kind}"] for kind in ("weight", "bias"))
    query, key, value = (norm(x, p, "mvlpt_proj.resblocks.0.ln_1") @ weight.t() + bias).chunk(
        3, dim=1
    )
    weights = (
        torch.softmax(query @ key.t() / x.shape[1] ** 0.5, dim=1)
        if mix
        else torch.eye(len(x), dtype=x.dtype)
    )
    x = x + affine(weights @ value, p, "mvlpt_proj.resblocks.0.attn.out_proj")
    hidden = affine(norm(x, p, "mvlpt_proj.resblocks.0.ln_2"), p, "mvlpt_proj.resblocks.0.mlp.c_fc")
    return x + affine(
        hidden * torch.sigmoid(1.702 * hidden), p, "mvlpt_proj.resblocks.0.mlp.c_proj"
    )


def network(p, options):
    """Text contexts (N, d) or (C, N, d) and image prompts (L or 1, N, d_v) from the parameters."""
    text = p["ctx"]
    image = p["vpt_embeddings"]
    if "vpt_embeddings_deep" in p:
        image = torch.cat([image, p["vpt_embeddings_deep"]])
    if options.project == "identity":
        return text, image
    rows_text = affine(text.reshape(-1, text.shape[-1]), p, "mvlpt_proj_ctx_coop_pre")
    rows = torch.cat(
        [rows_text, affine(image.reshape(-1, image.shape[-1]), p, "mvlpt_proj_ctx_vpt_pre")]
    )
    rows = F.gelu(rows) if options.project == "mlp" else block(rows, p, options.mix)
    out_text = affine(rows[: len(rows_text)], p, "mvlpt_proj_ctx_coop_post")
    out_image = affine(rows[len(rows_text) :], p, "mvlpt_proj_ctx_vpt_post")
    return out_text.reshape(text.shape), out_image.reshape(image.shape)


def upt_statement(prompter):
    clip, options, names = prompter.clip, prompter.options, prompter.tasks.class_names

    def run(p, images):
        text, image = network(
            {name.removeprefix("prompt_learner."): value for name, value in p.items()}, options
        )
        contexts = list(text) if text.dim() == 3 else [text] * len(names)
        classes = F.normalize(text_features(clip, names, contexts, options.position), dim=1)
        further = image[1:, None] if options.deep else None
        return image_features(clip.model.visual, images, image[:1], further), classes

    return run


CASES = [
    {},
    {"mix": True},
    {"project": "mlp"},
    {"project": "identity"},
    {"deep": False, "mix": True},
    {"project_dim": 64},
    {"project_dim": 128},
    {"csc": True, "mix": True, "position": "end"},
    {"position": "front", "visual_n_ctx": 2, "n_ctx": 5, "checkpoint": True},
    {"ctx_init": "a photo of a", "n_ctx": 2, "project": "identity"},
    {"softmax": "task", "mix": True},
    {"softmax": "task", "csc": True},
]


@pytest.mark.parametrize("options", CASES, ids=str)
def test_it_is_its_equations(double_clip, options):
    prompter = build("UPT", double_clip, TASKS, **{"n_ctx": 3, "project_dim": 20} | options)
    loss = multi_task_loss if options.get("softmax") == "task" else joint_loss
    five_steps_agree(prompter, upt_statement(prompter), loss)


def test_one_task_is_its_equations_too(double_clip):
    prompter = build("UPT", double_clip, TASK_SETS["one task"], n_ctx=2, project_dim=20, mix=True)
    five_steps_agree(prompter, upt_statement(prompter), joint_loss)


def test_a_softmax_per_task_encodes_only_the_batchs_tasks(double_clip, monkeypatch):
    prompter, encoded = build("UPT", double_clip, TASKS, project_dim=20, softmax="task"), []
    encode = type(double_clip).encode_prompts

    def watch(self, *args, **chosen):
        encoded.append(chosen["prompts"].tolist())
        return encode(self, *args, **chosen)

    monkeypatch.setattr(type(double_clip), "encode_prompts", watch)
    features = prompter.encode_image(torch.randn(2, 3, 32, 32))
    prompter.loss(features, torch.tensor([1, 5]))
    assert encoded == [[*range(3), *range(5, 8)]]


@pytest.mark.parametrize("n_ctx, count", [(4, 566_400), (16, 683_136)])
def test_a_vit_b_has_the_published_number_of_parameters(n_ctx, count):
    vit = SimpleNamespace(width=768, patch_area=32 * 32, blocks=[None] * 12)
    prompts = UnifiedPrompts(
        SimpleNamespace(text_width=512), vit, UPTOptions(n_ctx=n_ctx), classes=10
    )
    assert sum(parameter.numel() for parameter in prompts.parameters()) == count


def test_checkpoints_of_the_published_code_load(double_clip):
    prompter = build("UPT", double_clip, TASKS, n_ctx=2, project_dim=20)
    state = prompter.reference_state()
    names = {name.removeprefix("prompt_learner.") for name in state}
    parts = ("attn.out_proj", "ln_1", "mlp.c_fc", "mlp.c_proj", "ln_2")
    block = {
        f"mvlpt_proj.resblocks.0.{part}.{kind}" for part in parts for kind in ("weight", "bias")
    }
    pairs = {
        f"mvlpt_proj_ctx_{tower}_{end}.{kind}"
        for tower in ("coop", "vpt")
        for end in ("pre", "post")
        for kind in ("weight", "bias")
    }
    assert names == {
        "ctx",
        "vpt_embeddings",
        "vpt_embeddings_deep",
        *block,
        *pairs,
        "mvlpt_proj.resblocks.0.attn.in_proj_weight",
        "mvlpt_proj.resblocks.0.attn.in_proj_bias",
    }
    other = build("UPT", double_clip, TASKS, n_ctx=2, project_dim=20)
    buffers = {
        f"prompt_learner.token_{part}": torch.zeros(8, 5, 128) for part in ("prefix", "suffix")
    }
    other.load_reference_state({name: value + 1 for name, value in state.items()} | buffers)
    assert torch.equal(other.prompt_learner.ctx, prompter.prompt_learner.ctx + 1)


def test_it_serves_tasks_that_it_was_not_trained_on(double_clip):
    trained = build("UPT", double_clip, TASKS, n_ctx=2, project_dim=20)
    other = trained.for_tasks(softcpt.TaskSet([softcpt.Task("cars", ["bus", "van"])]))
    images = torch.randn(2, 3, 32, 32, dtype=torch.float64)
    features, classes = upt_statement(other)(trained.reference_state(), images)
    assert torch.allclose(other.encode_image(images), features, atol=1e-10)
    assert torch.allclose(other.class_embeddings(), classes, atol=1e-10)


@pytest.mark.parametrize("precision", ["bf16", "amp"])
def test_lower_precision_stays_near(precision):
    state = random_openai_state_dict("vit", text_layers=2, seed=4)
    images, found = torch.randn(3, 3, 32, 32), []
    for each in ("fp32", precision):
        torch.manual_seed(0)
        prompter = softcpt.build_prompter(
            "UPT", softcpt.load_clip(state, each), TASKS, project_dim=20
        )
        loss, _ = prompter.loss(prompter.encode_image(images), torch.tensor([0, 3, 6]))
        loss.backward()
        assert all(torch.isfinite(parameter.grad).all() for parameter in prompter.parameters())
        found.append((prompter.encode_image(images), prompter.class_embeddings()))
    assert all((exact - rough).norm() < 0.1 * exact.norm() for exact, rough in zip(*found))


def test_options_that_cannot_be_are_refused(double_clip):
    with pytest.raises(
        UserError, match="option project = 'gelu': choose from transformer, mlp, identity"
    ):
        build("UPT", double_clip, TASKS, project="gelu")
    with pytest.raises(UserError, match="option project_dim = 0"):
        build("UPT", double_clip, TASKS, project_dim=0)
