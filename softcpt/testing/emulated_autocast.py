"""Autocast of the emulated device: what torch casts there, by the lists that it has for CUDA."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map

_KEY = "AutocastPrivateUse1"

# In the type of the region: products. https://docs.pytorch.org/docs/stable/amp.html
_LOWER = (
    "_convolution addmm addmv addr baddbmm bmm addbmm chain_matmul conv1d conv2d conv3d linear "
    "matmul mm mv scaled_dot_product_attention"
)
# In fp32: what a short exponent or mantissa harms.
_FP32 = (
    "binary_cross_entropy_with_logits cdist cosine_similarity cumprod cumsum dist exp expm1 "
    "group_norm kl_div l1_loss layer_norm linalg_matrix_norm linalg_vector_norm log log10 log1p "
    "log2 log_softmax.int logsumexp mse_loss native_layer_norm nll_loss norm.Scalar "
    "norm.ScalarOpt_dim pow.Tensor_Scalar pow.Tensor_Tensor prod prod.dim_int reciprocal rsqrt "
    "smooth_l1_loss softmax.int softplus sum sum.dim_IntList tan"
)
# In the widest type of their arguments, which torch would refuse to mix.
_WIDEST = "addcdiv addcmul cat cross dot index_copy index_put scatter_add stack tensordot vdot"


def register() -> list[torch.library.Library]:
    """Teach torch autocast on the device; lasts as long as the libraries are kept."""
    every = torch.library.Library("_", "IMPL", _KEY)
    every.fallback(torch.library.fallthrough_kernel)
    aten = torch.library.Library("aten", "IMPL", _KEY)
    kinds = ((_LOWER, _region_type), (_FP32, _fp32), (_WIDEST, _widest))
    for names, wanted in kinds:
        for name in names.split():
            packet, _, overload = name.partition(".")
            operation = getattr(getattr(torch.ops.aten, packet), overload or "default")
            aten.impl(name, _casting(operation, wanted))
    return [every, aten]


def _casting(operation: Any, wanted: Callable[[Any], torch.dtype]) -> Callable[..., Any]:
    def kernel(*args: Any, **kwargs: Any) -> Any:
        dtype = wanted((args, kwargs))
        cast = tree_map(lambda leaf: leaf.to(dtype) if _eligible(leaf) else leaf, args)
        keys = torch._C.DispatchKeySet(getattr(torch._C.DispatchKey, _KEY))
        with torch._C._ExcludeDispatchKeyGuard(keys):
            return operation(*cast, **kwargs)

    return kernel


def _eligible(leaf: Any) -> bool:
    if not isinstance(leaf, Tensor) or leaf.device.type == "cpu":
        return False
    return leaf.is_floating_point() and leaf.dtype != torch.float64


def _region_type(_: Any) -> torch.dtype:
    return torch.get_autocast_dtype(torch._C._get_privateuse1_backend_name())


def _fp32(_: Any) -> torch.dtype:
    return torch.float32


def _widest(arguments: Any) -> torch.dtype:
    types = {leaf.dtype for leaf in tree_leaves(arguments) if _eligible(leaf)}
    return torch.float32 if torch.float32 in types or not types else types.pop()
