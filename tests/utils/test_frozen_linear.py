"""Products with matrices that stay."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from softcpt.utils.frozen_linear import frozen_linear
from tests.helpers.bits import same_bits


@pytest.mark.parametrize("shape", [(1, 48), (2, 9, 48), (600, 48)], ids=str)
def test_products_with_a_kept_matrix_are_torchs_own_bit_for_bit(shape):
    generator = torch.Generator().manual_seed(0)
    weight, bias = (
        torch.randn(*size, generator=generator).bfloat16() for size in ((96, 48), (96,))
    )
    x = torch.randn(*shape, generator=generator).bfloat16().requires_grad_()
    with torch.inference_mode():  # what a test keeps must serve training
        frozen_linear(x, weight, bias, keep=True)
    for _ in range(2):
        ours, theirs = frozen_linear(x, weight, bias, keep=True), F.linear(x, weight, bias)
        assert same_bits(ours, theirs)
        gradient = torch.randn(theirs.shape, generator=generator).bfloat16()
        found, wanted = (torch.autograd.grad(y, x, gradient)[0] for y in (ours, theirs))
        assert same_bits(found, wanted)
