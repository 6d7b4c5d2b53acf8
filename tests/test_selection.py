"""What results say of prompts that were chosen before: by their headers, of this version and older
ones."""

from __future__ import annotations

import pytest

from softcpt import selection

LAST = {"epoch": 5, "val_result": None, "selected": None}
BEST = {"epoch": 3, "val_result": 70.0, "selected": {"what": "epoch", "on": "val", "value": 3}}
OLD_LAST = {"epoch": 5, "val_result": None}
OLD_BEST = {"epoch": 4, "val_result": 66.67}  # maybe on test images


@pytest.mark.parametrize(
    "header, wanted",
    [
        (LAST, None),
        (BEST, BEST["selected"]),
        (OLD_LAST, None),
        (OLD_BEST, {"what": "epoch", "on": None, "value": 4}),
    ],
)
def test_a_prompt_says_what_was_chosen_and_an_old_one_not_on_what(header, wanted):
    assert selection.of_prompt(header) == wanted


@pytest.mark.parametrize(
    "headers, on", [([BEST, BEST], "val"), ([BEST, OLD_BEST], None), ([BEST, LAST], "val")]
)
def test_a_mean_of_chosen_prompts_has_no_single_epoch(headers, on):
    assert selection.of_mean(headers) == {"what": "epoch", "on": on, "value": None}


def test_a_mean_of_last_prompts_was_not_chosen():
    assert selection.of_mean([LAST, OLD_LAST]) is None
