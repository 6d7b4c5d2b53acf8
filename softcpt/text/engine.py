"""Which of the two encodes a model's prompts: the exact engine, or its plain tower."""

from __future__ import annotations

from torch import nn

from softcpt.text.open_clip_parts import text_parts
from softcpt.text.own_tokenizer import OwnTokenizer
from softcpt.text.prompts import Tokenizer
from softcpt.text.tower import why_not_causal


def why_not_exact(model: nn.Module, tokenizer: Tokenizer) -> str | None:
    """What keeps the exact engine (softcpt/text/encoder.py) from encoding this model's prompts;
    None: nothing does."""
    text = text_parts(model)
    reason = why_not_causal(text)
    if reason is not None or not isinstance(tokenizer, OwnTokenizer):
        return reason
    if len(tokenizer.start) != 1 or len(tokenizer.end) != 1 or tokenizer.last:
        return "its texts do not stand between one token that begins and one that ends them"
    pool = getattr(text, "pool_type", getattr(text, "text_pool_type", None))
    if pool == "eos":
        read = getattr(text, "eos_id", getattr(text, "text_eos_id", None))
    else:  # the largest id of a text
        read = text.token_embedding.num_embeddings - 1
    return None if tokenizer.end == (read,) else "it is not read where its texts end"
