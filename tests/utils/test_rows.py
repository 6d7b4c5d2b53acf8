"""Rows that are taken, put and added up."""

from __future__ import annotations

import pytest
import torch

from softcpt.utils.rows import gather, scatter, take

PUT = torch.eye(6, dtype=torch.float64)[:, [3, 0, 2]]
REPEATED, UNIQUE = torch.tensor([2, 0, 2, 2, 1]), torch.tensor([3, 0, 2])


@pytest.mark.parametrize(
    ("function", "plain"),
    [
        (lambda x: gather(x, UNIQUE), lambda x: x[UNIQUE]),
        (
            lambda x: scatter(x[:3], UNIQUE, 6),
            lambda x: PUT @ x[:3],
        ),
        (lambda x: take(x, REPEATED), lambda x: x[REPEATED]),
    ],
    ids=["gather", "scatter", "take"],
)
def test_values_and_gradients_are_those_of_indexing(function, plain):
    x = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    ours, wanted = function(x), plain(x)
    assert torch.equal(ours, wanted)
    gradients = [torch.autograd.grad(each.square().sum(), x)[0] for each in (ours, wanted)]
    assert torch.equal(*gradients)


def test_gradients_of_rows_taken_often_are_the_same_in_every_run_and_with_every_thread():
    x, index = torch.randn(8, 512, requires_grad=True), torch.randint(8, (400,))
    gradient = torch.randn(400, 512)
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 2, 2, 2, 2):
            torch.set_num_threads(threads)
            found.append(torch.autograd.grad(take(x, index), x, gradient)[0])
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(found[0], other) for other in found[1:])
