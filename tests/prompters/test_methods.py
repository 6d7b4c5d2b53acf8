"""Every method against an independent statement of its equations: naive 77-token prompts, loops,
plain PyTorch."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

import softcpt
from softcpt.testing.random_clip import random_openai_state_dict
from tests.helpers.equations import coop_classes, multi_task_loss, softcpt_classes

TASKS = softcpt.TaskSet(
    [
        softcpt.Task(
            "kinds of fruit",
            ["red apple", "red apple pie", "kiwi"],
            description="say which fruit this is",
        ),
        softcpt.Task(
            "road_signs", ["stop sign", "yield"], description="tell signs at the road apart"
        ),
    ]
)


CASES = [
    *[(f"SoftCPT-{variant}", {}) for variant in ("NATA", "NATS", "CATA", "CSTA", "CATS", "CSTS")],
    ("SoftCPT-CSTS", {"generator": "linmean", "position": "middle", "n_ctx": 5}),
    ("SoftCPT-CATA", {"generator": "lincls", "class_position": "front", "task_position": "middle"}),
    ("SoftCPT", {"position": "front", "task_n_ctx": 3, "task_position": "front"}),
    ("SoftCPT-Star", {}),
    ("SoftCPT-Star", {"csc": True, "class_csc": True, "generator": "linmean"}),
    ("SoftCPT-NATS", {"task_text": "description"}),
    *[
        (f"SoftCPT-{variant}", {"generator": kind, "rank": 5})
        for variant in ("NATA", "CATA")
        for kind in ("lowrank", "mlp")
    ],
    ("SoftCPT-FedTPG", {"n_ctx": 3}),
    ("SoftCPT-FedTPG", {"position": "middle", "n_ctx": 2}),
    ("SoftCPT-MPT", {"n_ctx": 3}),
    ("SoftCPT-MPT", {"position": "front", "n_ctx": 2}),
    ("CoOp", {}),
    ("CoOp", {"csc": True, "n_ctx": 3}),
    ("CoOp", {"position": "middle", "n_ctx": 5}),
    ("CoOp-MT", {"position": "front"}),
    ("CoOp-MT", {"csc": True, "position": "middle"}),
    ("CoOp", {"ctx_init": "a photo of a"}),
    ("CoOp", {"max_text_tokens": 16}),
]


@pytest.mark.parametrize("method, options", CASES)
def test_logits_and_gradients_are_those_of_the_equations(clip, method, options):
    torch.manual_seed(0)
    prompter = softcpt.build_prompter(method, clip, TASKS, **options)
    oracle = softcpt_classes if method.startswith("SoftCPT") else coop_classes
    parameters = {
        name: value.requires_grad_() for name, value in prompter.reference_state().items()
    }
    images = torch.randn(6, 3, 32, 32)
    labels = torch.tensor([0, 1, 2, 3, 4, 0])
    ours = prompter(images)
    classes = F.normalize(oracle(clip, TASKS, parameters, prompter.options), dim=-1)
    naive = clip.logit_scale.exp() * F.normalize(clip.encode_image(images), dim=-1) @ classes.t()
    assert (ours - naive).abs().max() < 1e-4
    by_hand = multi_task_loss(TASKS, naive, labels)
    assert abs(TASKS.loss(ours, labels) - by_hand) < 1e-5 * max(1, by_hand)
    TASKS.loss(ours, labels).backward()
    for (name, parameter), wanted in zip(
        prompter.named_parameters(), torch.autograd.grad(by_hand, parameters.values())
    ):
        assert (parameter.grad - wanted).norm() <= 1e-4 * wanted.norm(), name


def test_words_start_a_context_at_their_embeddings(clip):
    prompter = softcpt.build_prompter("CoOp-MT", clip, TASKS, ctx_init="a_photo_of_a")
    words = clip.tokenizer.encode("a photo of a")
    assert torch.equal(
        prompter.prompt_learner.ctx, clip.model.token_embedding.weight[torch.tensor(words)]
    )


def test_zero_shot_is_the_template_with_the_name(clip):
    tasks = softcpt.TaskSet(
        [softcpt.Task("pets", ["tabby_cat", "dog"], template="a photo of a {}, a type of pet.")]
    )
    prompter = softcpt.build_prompter("ZeroShot", clip, tasks)
    ids = clip.tokenizer(
        ["a photo of a tabby cat, a type of pet.", "a photo of a dog, a type of pet."]
    )
    assert torch.allclose(
        prompter.class_embeddings(), clip.model.encode_text(ids, normalize=True), atol=1e-5
    )
    assert list(prompter.parameters()) == []


@pytest.mark.parametrize("method", softcpt.list_prompters())
def test_reference_state_goes_out_and_back(clip, method):
    torch.manual_seed(1)
    first, second = (softcpt.build_prompter(method, clip, TASKS) for _ in range(2))
    second.load_reference_state(first.reference_state())
    torch.testing.assert_close(first.class_embeddings(), second.class_embeddings())


def test_states_that_do_not_fit_are_refused(clip):
    prompter = softcpt.build_prompter("SoftCPT", clip, TASKS)
    state = prompter.reference_state()
    with pytest.raises(softcpt.UserError, match="lacks prompt_gen.proj"):
        prompter.load_reference_state({"task_prompt_learner.ctx": state["task_prompt_learner.ctx"]})
    with pytest.raises(softcpt.UserError, match="shape"):
        prompter.load_reference_state(state | {"prompt_gen.proj": torch.zeros(2, 2)})
    with pytest.raises(softcpt.UserError, match="unknown"):
        prompter.load_reference_state(state | {"prompt_gen.bias": torch.zeros(2)})
    broken = state["prompt_gen.proj"].clone()
    broken[0, :2] = torch.tensor([torch.nan, torch.inf])
    with pytest.raises(softcpt.UserError, match="2 of .* values of prompt_gen.proj are no finite"):
        prompter.load_reference_state(state | {"prompt_gen.proj": broken})


@pytest.mark.parametrize("per_task", [True, False])
def test_published_contexts_of_all_classes_stand_in_one_tensor(clip, per_task):
    torch.manual_seed(2)
    ours = softcpt.build_prompter("CoOp", clip, TASKS, csc=True, per_task=per_task, n_ctx=4)
    published = torch.randn(TASKS.num_classes, 4, clip.text_width)
    # As the published code saves it, with embeddings that it does not train.
    buffers = {
        f"prompt_learner.{name}": torch.zeros(3) for name in ("token_prefix", "token_suffix")
    }
    ours.load_reference_state({"prompt_learner.ctx": published, **buffers})
    assert torch.equal(ours.contexts(), published)
    for wrong in (published[1:], published[:, 1:]):
        with pytest.raises(softcpt.UserError, match="prompt_learner"):
            ours.load_reference_state({"prompt_learner.ctx": wrong})


@pytest.mark.parametrize("kept", [True, False])
def test_without_a_task_context_there_is_none_to_load(clip, kept):
    torch.manual_seed(3)
    first, second = (softcpt.build_prompter("SoftCPT", clip, TASKS, task_n_ctx=0) for _ in range(2))
    state = {"prompt_gen.proj": first.reference_state()["prompt_gen.proj"]}
    if kept:
        state["task_prompt_learner.ctx"] = torch.zeros(0, clip.text_width)
    second.load_reference_state(state)
    assert torch.equal(first.class_embeddings(), second.class_embeddings())


def test_unknown_methods_and_options_name_the_nearest(clip):
    with pytest.raises(softcpt.UserError, match="did you mean 'SoftCPT'"):
        softcpt.build_prompter("SoftCTP", clip, TASKS)
    with pytest.raises(softcpt.UserError, match="did you mean 'n_ctx'"):
        softcpt.build_prompter("CoOp", clip, TASKS, nctx=4)


@pytest.mark.parametrize("precision, tolerance", [("bf16", 0.05), ("amp", 0.05)])
def test_lower_precision_stays_near(precision, tolerance):
    state = random_openai_state_dict("vit", text_layers=3, seed=3)
    torch.manual_seed(0)
    exact = softcpt.build_prompter("SoftCPT", softcpt.load_clip(state), TASKS)
    rough = softcpt.build_prompter("SoftCPT", softcpt.load_clip(state, precision), TASKS)
    rough.load_reference_state(exact.reference_state())
    assert (exact.class_embeddings() - rough.class_embeddings()).abs().max() < tolerance
    rough.class_embeddings().sum().backward()
    assert all(torch.isfinite(parameter.grad).all() for parameter in rough.parameters())
