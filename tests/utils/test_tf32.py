"""A run sets torch's flags of TF32, and puts them back, whichever of the two kinds a program
uses."""

from __future__ import annotations

import pytest
import torch

import softcpt
from softcpt.utils.tf32 import set_tf32, tf32_is, tf32_kept, tf32_rounds

backends = torch.backends
NEWER = hasattr(backends, "fp32_precision")
CUDA = torch.device("cuda")


def older():
    return torch.get_float32_matmul_precision(), backends.cudnn.allow_tf32


@pytest.fixture(autouse=True)
def flags_kept():
    with tf32_kept():
        yield


@pytest.mark.parametrize("before", [("high", True), ("highest", False), ("highest", True)])
@pytest.mark.parametrize("allowed", [False, True])
def test_flags_are_set_and_put_back(before, allowed):
    torch.set_float32_matmul_precision(before[0])
    backends.cudnn.allow_tf32 = before[1]
    with tf32_is(allowed):
        assert backends.cuda.matmul.allow_tf32 == backends.cudnn.allow_tf32 == allowed
        assert tf32_rounds(CUDA) == allowed and not tf32_rounds(torch.device("cpu"))
    assert older() == before


@pytest.mark.skipif(not NEWER, reason="torch before 2.9 has the older flags alone")
def test_newer_flags_are_put_back_too():
    backends.cuda.matmul.fp32_precision, backends.cudnn.conv.fp32_precision = "tf32", "ieee"
    assert tf32_rounds(CUDA)
    with tf32_is(False):
        assert not tf32_rounds(CUDA)
    assert backends.cuda.matmul.fp32_precision == "tf32"
    assert backends.cudnn.conv.fp32_precision == "ieee"


@pytest.mark.parametrize("allowed", [False, True])
def test_a_fit_trains_as_it_is_told_and_leaves_the_flags(clip, allowed):
    set_tf32(not allowed)
    seen = []
    tasks = softcpt.TaskSet([softcpt.Task("pets", ["cat", "dog"])])
    data = softcpt.FeatureData(tasks, torch.randn(4, clip.embed_dim), torch.arange(4) % 2)
    softcpt.fit(
        "CoOp",
        clip,
        data,
        epochs=1,
        batch_size=4,
        n_ctx=1,
        tf32=allowed,
        progress=False,
        callbacks=[lambda _: seen.append(tf32_rounds(CUDA))],
    )
    assert seen == [allowed] and tf32_rounds(CUDA) != allowed
