"""The order in which images are visited."""

import random
from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from dassl.data.samplers import build_sampler

from softcpt.errors import UserError


def items(labels=None, domains=None):
    count = len(labels or domains)
    return [
        SimpleNamespace(label=(labels or [0] * count)[i], domain=(domains or [0] * count)[i])
        for i in range(count)
    ]


def batches(order, size):
    order = list(order)
    return [order[start : start + size] for start in range(0, len(order), size)]


def test_random_sampler_draws_from_torchs_generator():
    torch.manual_seed(1)
    sampler = build_sampler("RandomSampler", data_source=items(labels=[0] * 10))
    assert list(sampler) == [6, 7, 4, 1, 3, 9, 0, 2, 8, 5]
    assert list(sampler) == [4, 2, 0, 6, 8, 7, 9, 1, 5, 3]


def test_pythons_generator_gives_the_values_few_shot_draws_rest_on():
    random.seed(1)
    assert [random.sample(range(20), 4), random.sample(range(20), 4)] == [
        [4, 18, 2, 8],
        [3, 15, 14, 18],
    ]


def test_sequential_sampler_keeps_the_order():
    assert list(build_sampler("SequentialSampler", data_source=items(labels=[0] * 5))) == [
        0,
        1,
        2,
        3,
        4,
    ]


def naive_domain_epoch(domains, batch_domains, share):
    """The same draws on plain lists, quadratic in their length."""
    left = {d: [i for i, own in enumerate(domains) if own == d] for d in dict.fromkeys(domains)}
    order = []
    while True:
        for domain in batch_domains(list(left)):
            taken = random.sample(left[domain], share)
            order += taken
            left[domain] = [i for i in left[domain] if i not in taken]
        if any(len(rest) < share for rest in left.values()):
            return order


@pytest.mark.parametrize("n_domain", [0, 2])
def test_random_domain_sampler_draws_as_sampling_from_shrinking_lists_does(n_domain):
    domains = np.random.default_rng(0).integers(0, 4, 150).tolist()
    count = n_domain or 4
    random.seed(7)
    sampler = build_sampler(
        "RandomDomainSampler", data_source=items(domains=domains), batch_size=12, n_domain=n_domain
    )
    drawn = [list(sampler), list(sampler)]
    random.seed(7)
    naive = [
        naive_domain_epoch(domains, lambda all_: random.sample(all_, count), 12 // count)
        for _ in range(3)
    ]
    assert drawn == naive[1:], "construction draws one epoch, as in Dassl"
    assert len(sampler) == len(naive[0])


def test_seq_domain_sampler_visits_every_domain_in_each_batch():
    domains = [2] * 9 + [0] * 7 + [1] * 8
    random.seed(3)
    sampler = build_sampler("SeqDomainSampler", data_source=items(domains=domains), batch_size=6)
    order = list(sampler)
    assert len(order) == len(sampler) == len(set(order)) == 18
    for batch in batches(order, 6):
        assert [domains[i] for i in batch] == [0, 0, 1, 1, 2, 2]
    random.seed(3)
    assert [naive_domain_epoch(domains, sorted, 2) for _ in range(2)][1] == order


def test_random_class_sampler_fills_batches_with_few_classes():
    labels = [0] * 9 + [1] * 2 + [2] * 4 + [3] * 5
    random.seed(0)
    np.random.seed(0)
    sampler = build_sampler(
        "RandomClassSampler", data_source=items(labels=labels), batch_size=8, n_ins=4
    )
    order = list(sampler)
    assert order
    for batch in batches(order, 8):
        assert sorted(Counter(labels[i] for i in batch).values()) == [4, 4]
    alone = [i for i in order if labels[i] != 1]
    assert len(alone) == len(set(alone)), "only the class that is too small repeats images"


def test_random_class_sampler_draws_are_those_of_dassl():
    labels = [0] * 9 + [1] * 2 + [2] * 4 + [3] * 5
    random.seed(0)
    np.random.seed(0)
    sampler = build_sampler(
        "RandomClassSampler", data_source=items(labels=labels), batch_size=8, n_ins=4
    )
    assert list(sampler) == [
        16,
        19,
        17,
        18,
        10,
        10,
        10,
        10,
        6,
        8,
        1,
        3,
        12,
        14,
        13,
        11,
    ]  # recorded on Dassl 0.6.3


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("RandomDomainSampler", {"batch_size": 7}),
        ("SeqDomainSampler", {"batch_size": 7}),
        ("RandomDomainSampler", {"batch_size": 64}),
        ("RandomClassSampler", {"batch_size": 4, "n_ins": 8}),
        ("RandomClassSampler", {"batch_size": 16, "n_ins": 1}),
        ("NoSampler", {}),
    ],
)
def test_impossible_batches_and_unknown_names_are_refused(name, options):
    with pytest.raises((UserError, AssertionError, ValueError)):
        build_sampler(name, data_source=items(domains=[0, 1] * 8), **options)
