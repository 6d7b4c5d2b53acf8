"""Small random models of open_clip's families, as folders that open_clip reads, with tokenizers of
their kinds over a few words."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import open_clip
import torch
from open_clip.hf_configs import arch_dict
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from torch import nn

os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
from transformers import CONFIG_MAPPING, PreTrainedTokenizerFast

WORDS = ["a", "photo", "of", "cat", "dog", "flower", "the", "red", "in"]
LETTERS = list("abcdefghijklmnopqrstuvwxyz.")
VIT = {"image_size": 32, "layers": 1, "width": 64, "patch_size": 16}
TEXT = {"width": 64, "heads": 2, "layers": 2}
SQUASHED = {"mean": [0.5] * 3, "std": [0.5] * 3, "resize_mode": "squash"}
SMALL = {
    "hidden_size": 32,
    "num_attention_heads": 2,
    "num_hidden_layers": 2,
    "intermediate_size": 64,
}


def _between(tokenizer: Tokenizer, start: str, end: str) -> None:
    """Special tokens around a text; "" for none."""
    named = [(token, tokenizer.token_to_id(token)) for token in (start, end) if token]
    single = " ".join(part for part in (start, "$A", end) if part)
    tokenizer.post_processor = processors.TemplateProcessing(single=single, special_tokens=named)


def sentence_piece(folder: Path, start: str = "", pad: str = "<pad>") -> None:
    """Unigrams as T5's: a word with a blank in front, letters, an end; ``start`` for XLM-R's."""
    special = ("<pad>", "</s>", "<s>", "<unk>", "eng_Latn")
    pieces = [(token, 0.0) for token in special] + [("▁", -2.0)]
    pieces += [(f"▁{word}", -3.0 - number / 10) for number, word in enumerate(WORDS)]
    pieces += [(letter, -8.0) for letter in LETTERS]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=3))
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.Metaspace(), decoders.Metaspace()
    _between(tokenizer, start, "</s>")
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="</s>", pad_token=pad, unk_token="<unk>"
    ).save_pretrained(folder)


def word_piece(folder: Path) -> None:
    """BERT's kind: [CLS] text [SEP]."""
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    words = [*special, *WORDS, *LETTERS, *(f"##{letter}" for letter in LETTERS)]
    vocabulary = {word: number for number, word in enumerate(dict.fromkeys(words))}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    _between(tokenizer, "[CLS]", "[SEP]")
    names = {"cls_token": "[CLS]", "sep_token": "[SEP]", "pad_token": "[PAD]"}
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="[UNK]", **names).save_pretrained(
        folder
    )


def byte_pairs(folder: Path) -> None:
    """RoBERTa's kind: a word differs with a blank in front; <s> text </s>."""
    special, alphabet = ["<s>", "<pad>", "</s>"], sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: number for number, token in enumerate([*special, *alphabet])}
    merges = []
    for word in WORDS:
        parts = ["Ġ", *word]
        while len(parts) > 1:
            merges.append((parts[0], parts[1]))
            parts = ["".join(parts[:2]), *parts[2:]]
            vocabulary.setdefault(parts[0], len(vocabulary))
    tokenizer = Tokenizer(models.BPE(vocabulary, list(dict.fromkeys(merges))))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    _between(tokenizer, "<s>", "</s>")
    names = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>"}
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names).save_pretrained(folder)


def _config(text: dict[str, Any], vision: dict[str, Any] | None = None, **more: Any) -> Any:
    given = {"context_length": 24, **text}
    return {"embed_dim": 32, "vision_cfg": vision or VIT, "text_cfg": given, **more}


def _own(vocabulary: int, **more: Any) -> dict[str, Any]:
    return {**TEXT, "vocab_size": vocabulary, "hf_tokenizer_name": "there/tokenizer", **more}


def _theirs(pooler: str, **more: Any) -> dict[str, Any]:
    names = {"hf_model_name": "there/text", "hf_tokenizer_name": "there/tokenizer"}
    return {**names, "hf_pooler_type": pooler, "hf_proj_type": "linear", **more}


SIGLIP = {
    "no_causal_mask": True,
    "proj_bias": True,
    "pool_type": "last",
    "norm_kwargs": {"eps": 1e-6},
    "tokenizer_kwargs": {"clean": "canonicalize"},
}
TIMM_MAP = {"image_size": 32, "timm_model_name": "test_vit", "timm_pool": "map", "timm_proj": ""}
COCA = {"image_size": 32, "layers": 1, "width": 64, "patch_size": 16, "attentional_pool": True}
CAPTIONS = {"context_length": 24, "width": 64, "heads": 2, "layers": 1, "vocab_size": 49408}
# Family -> configuration; what its tokenizer is, None: CLIP's; what its text tower is in
# transformers; whether the exact engine takes it.
Family = tuple[Any, Callable[[Path], None] | None, tuple[str, dict[str, Any]] | None, bool]
FAMILIES: dict[str, Family] = {
    "BiomedCLIP": (
        _config(_theirs("cls_last_hidden_state_pooler", hf_proj_type="mlp")),
        word_piece,
        ("bert", {"vocab_size": 80, **SMALL}),
        False,
    ),
    "CLIPA": (
        _config(
            _own(
                80,
                no_causal_mask=True,
                pool_type="last",
                tokenizer_kwargs={"strip_sep_token": True},
            ),
            {**VIT, "no_ln_pre": True, "pool_type": "avg", "final_ln_after_pool": True},
        ),
        word_piece,
        None,
        False,
    ),
    "Chinese-CLIP": (
        _config(_theirs("cls_pooler")),
        word_piece,
        ("bert", {"vocab_size": 80, **SMALL}),
        False,
    ),
    "CoCa": (
        _config(
            {**TEXT, "embed_cls": True, "output_tokens": True},
            {**COCA, "output_tokens": True, "attn_pooler_heads": 2},
            multimodal_cfg=CAPTIONS,
            custom_text=True,
        ),
        None,
        None,
        False,
    ),
    "MobileCLIP-B": (
        _config({**TEXT, "no_causal_mask": False}, custom_text=True),
        None,
        None,
        True,
    ),
    "MobileCLIP-S": (
        _config({**TEXT, "no_causal_mask": True}, custom_text=True),
        None,
        None,
        False,
    ),
    "NLLB-CLIP": (
        _config(_theirs("cls_pooler"), custom_text=True),
        lambda folder: sentence_piece(folder, "eng_Latn"),
        (
            "m2m_100",
            {
                "vocab_size": 80,
                "d_model": 32,
                "encoder_layers": 2,
                "decoder_layers": 1,
                "encoder_attention_heads": 2,
                "decoder_attention_heads": 2,
                "encoder_ffn_dim": 64,
                "decoder_ffn_dim": 64,
                "pad_token_id": 0,
            },
        ),
        False,
    ),
    "PE-Core": (
        _config({**TEXT, "context_length": 32}, TIMM_MAP, custom_text=True),
        None,
        None,
        True,
    ),
    "RoBERTa": (
        _config(_theirs("mean_pooler")),
        byte_pairs,
        ("roberta", {"vocab_size": 320, "max_position_embeddings": 40, **SMALL}),
        False,
    ),
    "SigLIP": (
        _config(_own(80, **SIGLIP), TIMM_MAP, custom_text=True, init_logit_bias=-10),
        lambda folder: sentence_piece(folder, pad="</s>"),
        None,
        False,
    ),
    "SigLIP2": (
        _config(
            _own(80, **SIGLIP, act_kwargs={"approximate": "tanh"}),
            TIMM_MAP,
            custom_text=True,
            init_logit_bias=-10,
        ),
        sentence_piece,
        None,
        False,
    ),
    "XLM-R": (
        _config(_theirs("mean_pooler")),
        lambda folder: sentence_piece(folder, "<s>"),
        (
            "xlm-roberta",
            {"vocab_size": 80, "max_position_embeddings": 40, "pad_token_id": 0, **SMALL},
        ),
        False,
    ),
    "mT5": (
        _config(_theirs("mean_pooler")),
        sentence_piece,
        (
            "mt5",
            {
                "vocab_size": 80,
                "d_model": 32,
                "d_kv": 16,
                "d_ff": 64,
                "num_layers": 2,
                "num_heads": 2,
            },
        ),
        False,
    ),
    "worldwide, mT5": (
        _config(_own(80, pool_type="eos", eos_id=1)),
        sentence_piece,
        None,
        False,
    ),
    "worldwide, XLM-V": (
        _config(_own(80, pool_type="eos", eos_id=1)),
        lambda folder: sentence_piece(folder, "<s>"),
        None,
        True,
    ),
}
assert {kind[0] for _, _, kind, _ in FAMILIES.values() if kind} == set(arch_dict)


def write_family(name: str, folder: Path) -> Path:
    """A folder with a random model of the family: configuration, weights, tokenizer."""
    config, tokenizer, text, _ = FAMILIES[name]
    folder.mkdir(parents=True)
    if tokenizer is not None:
        tokenizer(folder)
    config = json.loads(json.dumps(config))
    if text is not None:
        kind, settings = text
        CONFIG_MAPPING[kind](**settings).save_pretrained(folder / "text")
    settings = {"model_cfg": config, "preprocess_cfg": SQUASHED}
    (folder / "open_clip_config.json").write_text(json.dumps(settings))
    save_file(_weights(reference(folder)), folder / "open_clip_model.safetensors")
    return folder


def _weights(model: nn.Module) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    for parameter in model.parameters():  # norms and biases too: one that is left out must show
        noise = torch.randn(parameter.shape, generator=generator)
        parameter.data.add_(0.05 * noise)
    return {name: tensor.contiguous() for name, tensor in model.state_dict().items()}


def reference(folder: Path) -> nn.Module:
    """open_clip's own model of such a folder, with its weights where it has some."""
    config = json.loads((folder / "open_clip_config.json").read_text())["model_cfg"]
    text = config["text_cfg"]
    if text.get("hf_model_name"):
        text |= {"hf_model_name": str(folder / "text"), "hf_model_pretrained": False}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = open_clip.create_model(
            f"local-dir:{folder}",
            load_weights=(folder / "open_clip_model.safetensors").exists(),
            pretrained_text=False,
            text_cfg=text,
        )
    return model.eval().requires_grad_(False)
