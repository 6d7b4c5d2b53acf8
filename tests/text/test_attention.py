"""The attention against plain products: outputs and gradients, bit for bit, over random layouts."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from softcpt.testing.plain_attention import plain_attend
from softcpt.text.attention import AttentionLayout, AttentionTables, attend
from tests.helpers.bits import same_bits

HEADS, WIDTH = 2, 32

layouts = st.fixed_dictionaries(
    {
        "lengths": st.lists(st.integers(1, 7), min_size=1, max_size=9),
        "spare": st.integers(0, 3),
        "ends": st.booleans(),
        "prefix": st.integers(1, 5),
        "groups": st.integers(1, 3),
        "seed": st.integers(0, 1000),
    }
)


def made(case: dict, dtype: torch.dtype) -> tuple[AttentionTables, list[torch.Tensor]]:
    """Tables and sources of a layout, with trees that are random."""
    generator = torch.Generator().manual_seed(case["seed"])
    lengths = torch.tensor(case["lengths"])
    n, size = len(lengths), int(lengths.max()) + case["spare"]
    counts = torch.minimum(1 + torch.randint(3, (n,), generator=generator), lengths)
    prefix = case["prefix"]
    group = torch.randint(case["groups"], (n,), generator=generator)
    layout = AttentionLayout(HEADS, prefix, group, size, lengths, counts if case["ends"] else None)
    visible = torch.rand(n, size, size, generator=generator) < 0.5
    visible = (visible & torch.ones(size, size, dtype=torch.bool).tril()) | torch.eye(size).bool()
    tables = layout.tables(visible[:, : layout.width], dtype)
    tokens, queries = int(lengths.sum()), int(layout.queries.sum())
    shapes = [(queries, WIDTH), (tokens, 2 * WIDTH)] if case["ends"] else [(tokens, 3 * WIDTH)]
    shapes += [(case["groups"] * prefix, 2 * WIDTH)]
    sources = [torch.randn(shape, generator=generator).to(dtype) for shape in shapes]
    return tables, [source.requires_grad_() for source in sources]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32], ids=str)
@settings(max_examples=40)
@given(layouts)
def test_outputs_and_gradients_are_those_of_plain_products_bit_for_bit(dtype, case):
    tables, sources = made(case, dtype)
    ours, plain = attend(tables, *sources), plain_attend(tables, *sources)
    assert same_bits(ours, plain)
    gradient = torch.randn_like(plain)
    found, wanted = (torch.autograd.grad(each, sources, gradient) for each in (ours, plain))
    for one, other in zip(found, wanted):
        assert same_bits(one, other)


@settings(max_examples=15)
@given(layouts)
def test_outputs_and_gradients_are_those_of_every_query_alone(case):
    tables, sources = made(case, torch.float64)
    ours, alone = attend(tables, *sources), one_by_one(tables, *sources)
    assert torch.allclose(ours, alone, rtol=0, atol=1e-12)
    gradient = torch.randn_like(alone)
    found, wanted = (torch.autograd.grad(each, sources, gradient) for each in (ours, alone))
    for one, other in zip(found, wanted):
        assert torch.allclose(one, other, rtol=0, atol=1e-11)


def one_by_one(tables: AttentionTables, *sources: torch.Tensor) -> torch.Tensor:
    """Each query's weighted mean of the values that it sees, head by head."""
    layout = tables.layout
    if layout.counts is None:
        queries, keys, values = sources[0].chunk(3, dim=1)
    else:
        queries, (keys, values) = sources[0], sources[1].chunk(2, dim=1)
    past_keys, past_values = sources[-1].chunk(2, dim=1)
    rows, first, token = [], 0, 0
    for chunk, length in enumerate(layout.lengths.tolist()):
        past = slice(tables.group[chunk] * layout.prefix, (tables.group[chunk] + 1) * layout.prefix)
        for place in range(int(layout.queries[chunk])):
            seen = token + (tables.bias[chunk, place, :length] == 0).nonzero()[:, 0]
            key = torch.cat([past_keys[past], keys[seen]]).unflatten(1, (HEADS, -1))
            value = torch.cat([past_values[past], values[seen]]).unflatten(1, (HEADS, -1))
            query = queries[first + place].unflatten(0, (HEADS, -1))
            weights = torch.softmax(torch.einsum("hw,khw->kh", query, key), dim=0)
            rows.append(torch.einsum("kh,khw->hw", weights, value).flatten())
        first, token = first + int(layout.queries[chunk]), token + length
    return torch.stack(rows)


CASE = {"lengths": [3, 1, 4], "spare": 1, "ends": False, "prefix": 2, "groups": 2, "seed": 3}


@pytest.mark.parametrize("wanted", [0, 1])
def test_a_source_that_is_constant_changes_no_other_gradient(wanted):
    tables, sources = made(CASE, torch.float32)
    both = torch.autograd.grad(attend(tables, *sources).sum(), sources)
    fixed = [source if i == wanted else source.detach() for i, source in enumerate(sources)]
    (alone,) = torch.autograd.grad(attend(tables, *fixed).sum(), [sources[wanted]])
    assert torch.equal(alone, both[wanted])


def test_what_is_not_finite_in_a_chunk_stays_there():
    tables, (own, prefix) = made(CASE, torch.float32)
    whole = attend(tables, own, prefix)
    broken = own.detach().clone()
    broken[3] = torch.nan  # the second chunk's only token
    found = attend(tables, broken, prefix)
    assert found[3].isnan().all()
    assert torch.equal(found[[0, 1, 2, 4, 5, 6, 7]], whole[[0, 1, 2, 4, 5, 6, 7]])


def test_a_second_derivative_is_refused():
    tables, sources = made(CASE, torch.float32)
    (first,) = torch.autograd.grad(
        attend(tables, *sources).square().sum(), sources[:1], create_graph=True
    )
    with pytest.raises(RuntimeError, match="once_differentiable"):
        first.sum().backward()
