"""FedTPG's context generator: learned queries look at the names of a task's classes (Qiu et al.,
ICLR 2024, arXiv 2310.06123).

    T_c = text(name of c), normalised, for every class c of the task       frozen
    H   = attention(queries Q, keys and values T), normed before           a row for each query
    S_t = H + W_2 geglu(W_1 LN(H)),  geglu([a ; b]) = a gelu(b)            generated context

One network serves all tasks. The order and the number of a task's classes do not matter.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from softcpt.errors import UserError
from softcpt.utils.supersets import index_of

HEADS = 4
_WIDER = 4  # the hidden layer, as a multiple of the context's width


class ClassNameAttention(nn.Module):
    """Contexts from the text features of class names, by cross-attention.

    As in the paper's released code: 4 heads, a layer norm in front of each part, no residual around
    the attention, a hidden layer four times as wide with GEGLU. Queries start at N(0, 0.02^2), all
    else as torch starts it.

    Args:
        names: (C, D) normalised text features of the bare class names of all tasks.
        sizes: classes of each task, C in all.
        n_ctx, width: L and d.

    Attributes:
        names: (T, most classes of a task, D), the same task by task; 0 behind a task's own.
        absent: (T, most classes of a task), where there is none.

    Raises:
        UserError: the width cannot be divided among the heads.
    """

    names: Tensor
    absent: Tensor

    def __init__(self, names: Tensor, sizes: Sequence[int], n_ctx: int, width: int) -> None:
        super().__init__()
        if width % HEADS:
            raise UserError(
                f"generator 'fedtpg': the text tower's width {width} cannot be divided among "
                f"{HEADS} heads; choose another generator or backbone"
            )
        features = names.shape[1]
        rows = nn.utils.rnn.pad_sequence(names.float().split(list(sizes)), batch_first=True)
        places = torch.arange(rows.shape[1], device=names.device)
        lengths = torch.tensor(sizes, device=names.device)
        self.register_buffer("names", rows, persistent=False)
        self.register_buffer("absent", places >= lengths[:, None], persistent=False)
        self.queries = nn.Parameter(torch.randn(n_ctx, width) * 0.02)
        self.query_norm, self.name_norm = nn.LayerNorm(width), nn.LayerNorm(features)
        self.attention = nn.MultiheadAttention(
            width, HEADS, kdim=features, vdim=features, batch_first=True
        )
        self.hidden_norm = nn.LayerNorm(width)
        self.hidden = nn.Linear(width, 2 * _WIDER * width)  # values and gates
        self.out = nn.Linear(_WIDER * width, width)

    def forward(self, tasks: Sequence[int]) -> Tensor:
        """(T', L, d) contexts of ``tasks``."""
        chosen = index_of(tasks, self.names.device)
        names = self.name_norm(self.names[chosen].to(self.queries.dtype))
        queries = self.query_norm(self.queries).expand(len(tasks), *self.queries.shape)
        found: Tensor = self.attention(
            queries, names, names, key_padding_mask=self.absent[chosen], need_weights=False
        )[0]
        values, gates = self.hidden(self.hidden_norm(found)).chunk(2, dim=-1)
        contexts: Tensor = found + self.out(values * F.gelu(gates))
        return contexts
