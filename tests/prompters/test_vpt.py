"""Image prompts and VPT: the plain equations in float64, what is left out, towers of other makes,
lower precision."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from open_clip.timm_model import TimmModel

import softcpt
from softcpt import UserError
from softcpt.clip.vit import open_vit
from softcpt.prompters.image_prompts import encode_with_prompts
from softcpt.testing.prompted_vit import five_steps_agree, image_features, joint_loss, with_prompts
from softcpt.testing.random_clip import random_openai_state_dict
from softcpt.utils.frozen_linear import frozen_linear
from tests.helpers.coop_family import TASK_SETS, build
from tests.helpers.equations import multi_task_loss

FIRST, FURTHER = "prompt_learner.vpt_embeddings", "prompt_learner.vpt_embeddings_deep"
TASKS = TASK_SETS["three tasks"]


@pytest.fixture(scope="module")
def state():
    return random_openai_state_dict("vit", vision_layers=3, text_layers=2, seed=4)


def vpt_statement(clip, tasks):
    """Image features and class embeddings from VPT's parameters."""
    names = [f"a photo of a {name.replace('_', ' ')}." for name in tasks.class_names]

    def run(p, images):
        def brought_to_width(x):
            weight = p.get("prompt_learner.vpt_proj.weight")
            return x if weight is None else x @ weight.t() + p["prompt_learner.vpt_proj.bias"]

        further = p.get(FURTHER)
        further = None if further is None else brought_to_width(further)[:, None]
        features = image_features(clip.model.visual, images, brought_to_width(p[FIRST]), further)
        return features, F.normalize(clip.model.encode_text(clip.tokenizer(names)), dim=1)

    return run


@pytest.mark.parametrize("tasks", TASK_SETS.values(), ids=TASK_SETS)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"deep": False},
        {"project_dim": 10},
        {"deep": False, "project_dim": 10},
        {"checkpoint": True},
        {"softmax": "task"},
    ],
    ids=str,
)
def test_it_is_its_equations(double_clip, tasks, options):
    prompter = build("VPT", double_clip, tasks, n_ctx=3, **options)
    loss = multi_task_loss if options.get("softmax") == "task" else joint_loss
    five_steps_agree(prompter, vpt_statement(double_clip, tasks), loss)


def test_the_class_names_are_encoded_once(double_clip):
    prompter = build("VPT", double_clip, TASKS, n_ctx=2)
    calls = []
    handle = double_clip.text.register_forward_hook(lambda *_: calls.append(1))
    features = prompter.encode_image(torch.randn(2, 3, 32, 32))
    prompter.loss(features, torch.tensor([0, 5]))
    prompter.classifier()(features)
    handle.remove()
    assert not calls


def test_the_template_is_the_published_one_or_the_tasks_own(double_clip):
    def classes(**options):
        return build("VPT", double_clip, TASKS, n_ctx=2, **options).class_embeddings()

    plain = [f"a photo of a {name.replace('_', ' ')}." for name in TASKS.class_names]
    own = [
        task.template.format(name.replace("_", " ")) for task in TASKS for name in task.class_names
    ]
    for embeddings, texts in ((classes(), plain), (classes(own_template=True), own)):
        assert torch.allclose(
            embeddings,
            F.normalize(double_clip.model.encode_text(double_clip.tokenizer(texts)), dim=1),
            atol=1e-12,
        )


@pytest.mark.parametrize("deep", [True, False])
def test_dropout_is_drawn_for_every_image_and_in_training_only(double_clip, deep):
    prompter = build("VPT", double_clip, TASKS, n_ctx=6, dropout=0.5, deep=deep)
    image = torch.randn(1, 3, 32, 32, dtype=torch.float64).expand(2, -1, -1, -1)
    first, second = prompter.eval().encode_image(image)
    assert torch.allclose(first, second, atol=1e-12)
    torch.manual_seed(0)
    trained = prompter.train().encode_image(image)
    assert (trained[0] - trained[1]).abs().max() > 1e-6
    torch.manual_seed(0)
    dropped = prompter.prompt_learner(2)
    kept = dropped != 0
    whole = prompter.prompt_learner.embeddings()[:, None].expand_as(dropped)
    assert 0.4 < kept.double().mean() < 0.6 and torch.allclose(dropped[kept], 2 * whole[kept])
    further = dropped[1:] if deep else None
    by_hand = image_features(double_clip.model.visual, image, dropped[0], further)
    assert torch.allclose(trained, by_hand, atol=1e-10)


def test_recomputing_gives_the_same_and_keeps_less(double_clip):
    class Kept:
        def __init__(self):
            self.bytes = 0

        def __enter__(self):
            self.hooks = torch.autograd.graph.saved_tensors_hooks(self.pack, lambda tensor: tensor)
            self.hooks.__enter__()
            return self

        def pack(self, tensor):
            self.bytes += (
                tensor.numel()
                * tensor.element_size()
                * (not isinstance(tensor, torch.nn.Parameter))
            )
            return tensor

        def __exit__(self, *error):
            self.hooks.__exit__(*error)

    images, found = torch.randn(8, 3, 32, 32), []
    for checkpoint in (False, True):
        prompter = build("VPT", double_clip, TASKS, n_ctx=2, checkpoint=checkpoint)
        with Kept() as kept:
            features = prompter.encode_image(images)
        features.square().sum(dim=0)[0].backward()
        found.append((features, [p.grad for p in prompter.parameters()], kept.bytes))
    (features, gradients, much), (again, same, little) = found
    assert torch.allclose(features, again) and all(map(torch.allclose, gradients, same))
    assert little < much / 2


@pytest.mark.parametrize("pool", ["token", "avg"])
@pytest.mark.parametrize("deep", [True, False])
def test_vits_of_timm_take_prompts(pool, deep):
    torch.manual_seed(0)
    visual = (
        TimmModel("test_vit", 64, image_size=160, pool=pool, proj="linear")
        .double()
        .eval()
        .requires_grad_(False)
    )
    vit, trunk = open_vit(visual), visual.trunk
    prompts = torch.randn(
        len(trunk.blocks) if deep else 1, 1, 4, vit.width, dtype=torch.float64, requires_grad=True
    )
    images = torch.randn(2, 3, 160, 160, dtype=torch.float64)
    x = trunk.norm_pre(trunk._pos_embed(trunk.patch_embed(images)))
    x = with_prompts(trunk.blocks, x, prompts[0], prompts[1:] if deep else None)
    wanted = visual.head(trunk.forward_head(trunk.norm(x)))
    ours = encode_with_prompts(vit, images, prompts)
    assert torch.allclose(ours, wanted, atol=1e-10)
    gradients = [torch.autograd.grad(f.square().sum(), prompts)[0] for f in (ours, wanted)]
    assert torch.allclose(*gradients, atol=1e-10)


def test_other_image_towers_are_refused():
    residual = softcpt.load_clip(random_openai_state_dict("resnet"))
    with pytest.raises(
        UserError, match="image tower ModifiedResNet: .* choose one, such as ViT-B/32"
    ):
        softcpt.build_prompter("VPT", residual, TASKS)
    with pytest.raises(UserError, match="image tower EfficientNet"):
        softcpt.build_prompter("UPT", softcpt.load_clip("tiny"), TASKS)


def test_options_that_cannot_be_are_refused(double_clip):
    with pytest.raises(UserError, match="option dropout = 1.0: it is a share"):
        build("VPT", double_clip, TASKS, dropout=1.0)
    with pytest.raises(UserError, match="option softmax = joint: cls_sample_rate needs"):
        build("VPT", double_clip, TASKS, cls_sample_rate=0.5)
    with pytest.raises(UserError, match="option softmax = joint: KgCoOp needs"):
        build("KgCoOp", double_clip, TASKS, softmax="joint")


def test_the_start_is_uniform_as_published(state):
    torch.manual_seed(0)
    prompter = softcpt.build_prompter("VPT", softcpt.load_clip(state), TASKS, n_ctx=50)
    bound = (6 / (3 * 8**2 + 64)) ** 0.5
    for name, shape in ((FIRST, (1, 50, 64)), (FURTHER, (2, 50, 64))):
        values = prompter.reference_state()[name]
        assert values.shape == shape and values.abs().max() <= bound < 1.05 * values.abs().max()


@pytest.mark.parametrize("precision", ["bf16", "amp"])
@pytest.mark.parametrize("deep", [True, False])
def test_lower_precision_stays_near(state, precision, deep):
    images, found = torch.randn(3, 3, 32, 32), []
    for each in ("fp32", precision):
        torch.manual_seed(0)
        prompter = softcpt.build_prompter(
            "VPT", softcpt.load_clip(state, each), TASKS, n_ctx=4, deep=deep
        )
        loss, _ = prompter.loss(prompter.encode_image(images), torch.tensor([0, 3, 6]))
        loss.backward()
        found.append([prompter.encode_image(images), *(p.grad for p in prompter.parameters())])
    for exact, rough in zip(*found):
        assert rough.dtype == torch.float32
        assert (exact - rough).norm() < 0.1 * exact.norm()


def test_products_with_frozen_matrices_are_torchs_own():
    generator = torch.Generator().manual_seed(0)
    weight, bias = torch.randn(7, 5, generator=generator), torch.randn(7, generator=generator)
    x = torch.randn(2, 3, 5, generator=generator, requires_grad=True)
    for given in (x, x[:, :1], x.double()):
        weights = [tensor.to(given.dtype) for tensor in (weight, bias)]
        for parameters in (weights, weights[:1]):
            ours, theirs = frozen_linear(given, *parameters), F.linear(given, *parameters)
            assert torch.allclose(ours, theirs, atol=1e-5)
            (mine,), (wanted,) = (
                torch.autograd.grad(y.square().sum(), x, retain_graph=True) for y in (ours, theirs)
            )
            assert torch.allclose(mine, wanted, atol=1e-4)
