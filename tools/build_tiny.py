"""Build the embedded model ``tiny`` from openly licensed parts: ``python tools/build_tiny.py``.

Needs the package itself with ``resvg-py`` and ``transformers``, the command ``npm``, and about half
an hour of two CPU cores. All stages but the last leave their result in the cache folder, so that a
stopped build continues behind the last finished one. Delete a stage's file, or give another folder,
to do it again.

    captions   WordNet nouns and their definitions, each placed among ImageNet's 1,000 classes by a
               sentence encoder
    views      distorted drawings of the fluent emoji family, through the frozen part of the image
               tower
    words      text tower trained on the captions, its token table started from the sentence encoder
               (``tokens``)
    pairs      both towers trained on captions and drawings
    files      weights, json, model card and licences, with the zero-shot accuracy on Emoji-44
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from tiny import evaluate, export
from tiny.batches import Tokens
from tiny.captions import Captions, build_captions
from tiny.pictures import Views, make_views
from tiny.sentences import embed
from tiny.sources import unpack
from tiny.towers import RANK, TextTraining, build, load_trunk, principal_axes, token_strings
from tiny.training import Pairs, Recipe, Words, start, train_pairs, train_words
from torch import nn

from softcpt.errors import UserError
from softcpt.utils.files import atomic_write

ASSETS = Path(__file__).parents[1] / "softcpt" / "assets"
CACHE = Path("~/.cache/softcpt/tiny").expanduser()
VIEWS_PER_DRAWING = 6


def stage(cache: Path, name: str, make: Callable[[], object]) -> dict:
    """The saved result of a stage, made first if it is not there."""
    path = cache / f"{name}.pt"
    if not path.exists():
        result = make()
        with atomic_write(path) as temporary:
            torch.save(result if isinstance(result, dict) else vars(result), temporary)
    return torch.load(path, weights_only=True)


def token_start(sentences: Path) -> dict:
    """The token table's start (V, 64): principal components of the sentence encoder's view of each
    token's text."""
    rows = embed(token_strings(), sentences, "tokens")
    rows = rows - rows.mean(0)
    rows = rows @ principal_axes(rows, RANK).T
    return {"left": rows / rows.pow(2).mean().sqrt()}


def trained_towers(cache: Path, recipe: Recipe) -> TextTraining:
    """Run or read all stages up to the trained model."""
    torch.manual_seed(recipe.seed)
    model = build().eval()
    classifier = load_trunk(model, unpack("image", cache))
    model.visual.to(memory_format=torch.channels_last)
    sentences, wordnet = unpack("sentences", cache), unpack("wordnet", cache)
    captions = Captions(**stage(cache, "captions", lambda: build_captions(wordnet, sentences)))
    left = stage(cache, "tokens", lambda: token_start(sentences))["left"]
    views = stage(
        cache,
        "views",
        lambda: make_views(model.visual.trunk, VIEWS_PER_DRAWING, cache / "npm", recipe.seed),
    )

    text, rows = start(model, classifier, left)
    tokens = Tokens()

    def words() -> dict:
        train_words(text, Words(captions, rows, tokens, recipe, recipe.seed + 1), recipe)
        return text.state_dict()

    def pairs() -> dict:
        words_again = Words(captions, rows, tokens, recipe, recipe.seed + 3)
        train_pairs(text, words_again, Pairs(Views(**views), classifier, tokens, recipe), recipe)
        return text.state_dict()

    text.load_state_dict(stage(cache, "words", words))
    text.load_state_dict(stage(cache, "pairs", pairs))
    text.write_table()
    return text


def measure(model: nn.Module, archive: Path, caltech101: Path | None) -> dict:
    """Zero-shot accuracies in percent: Emoji-44 by part, template and design; Caltech101 if its
    folder is given."""
    emoji44: dict = {}
    for part in ("val", "test"):
        designs = evaluate.read_designs(model, archive, part)
        emoji44[part] = {
            template: {
                name: round(evaluate.accuracy(model, split, template), 1)
                for name, split in designs.items()
            }
            for template in evaluate.TEMPLATES
        }
    measured = {"emoji44": emoji44}
    if caltech101:
        measured["caltech101"] = round(evaluate.caltech101(model, caltech101), 1)
    return measured


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cache", type=Path, default=CACHE, help="downloads and finished stages")
    parser.add_argument("--out", type=Path, default=ASSETS / "tiny", help="where the model goes")
    parser.add_argument(
        "--caltech101", type=Path, help="folder 101_ObjectCategories, to measure on photos too"
    )
    arguments = parser.parse_args()
    recipe = Recipe()
    text = trained_towers(arguments.cache.expanduser(), recipe)
    model, archive = text.clip.eval(), ASSETS / "emoji44" / "emoji44.zip"

    # The scale is chosen on the designs that serve as few-shot examples: it must not see validation
    # or test.
    shots = list(evaluate.read_designs(model, archive, "train").values())
    scale = evaluate.best_scale(model, shots, evaluate.TEMPLATES[0])
    norm = evaluate.mean_text_norm(model, shots[0].tasks)
    state = export.finish(text, norm, torch.tensor(scale).log().item())
    facts = export.description(
        measure(model, archive, arguments.caltech101), dataclasses.asdict(recipe)
    )
    export.write(arguments.out, state, facts)
    print(f"{arguments.out}: logit scale {scale:.0f}, zero-shot {facts['zero_shot']}")


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(str(error))
