"""Names the known word that a misspelt one may stand for."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(word: str, known: Iterable[str], cutoff: float = 0.6) -> str | None:
    """The word of ``known`` that ``word`` is most like, capitals aside; None: it is like none.

    Args:
        word: what was given.
        known: what there is.
        cutoff: how alike they must be, from 0 (anything) to 1 (equal).
    """
    by_lower = {name.lower(): name for name in known}
    found = difflib.get_close_matches(word.lower(), by_lower, 1, cutoff)
    return by_lower[found[0]] if found else None


def did_you_mean(word: str, known: Iterable[str], otherwise: str = "") -> str:
    """The sentence "did you mean 'SoftCPT'?", or ``otherwise`` where ``word`` is like none of
    ``known``."""
    near = nearest(word, known)
    return f"did you mean '{near}'?" if near else otherwise


def near_and_all(word: str, known: Iterable[str]) -> str:
    """Both: "did you mean 'SoftCPT'? There are CoOp, SoftCPT", or "there are CoOp, SoftCPT"."""
    names = list(known)
    listed = ", ".join(names)
    near = did_you_mean(word, names)
    return f"{near} There are {listed}" if near else f"there are {listed}"
