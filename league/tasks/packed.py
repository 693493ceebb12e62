"""Linear layers whose weights are laid out for the processor once: the same products, sooner, for who only predicts."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import torch
from torch import nn

CPU_FACTS = Path("/proc/cpuinfo")


class PackedLinear(nn.Linear):
    """A linear layer that multiplies by oneDNN with its packed weight; what needs gradients goes the ordinary way."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if torch.is_grad_enabled() or x.dtype != torch.float32:
            return super().forward(x)
        return torch.ops.mkldnn._linear_pointwise(x, self.packed_weight, self.bias, "none", [], "")


@cache
def suits_processor() -> bool:
    """Tell whether packing pays here: torch multiplies by MKL, which is slow with few rows on processors of AMD's."""
    try:
        is_amd = "AuthenticAMD" in CPU_FACTS.read_text()
    except OSError:
        return False
    # The operators are the library's own compiler's, and no public interface: another version may lack them.
    names = ("_linear_pointwise", "_reorder_linear_weight")
    return is_amd and torch.backends.mkldnn.is_available() and all(hasattr(torch.ops.mkldnn, name) for name in names)


def pack(model: nn.Module) -> list[nn.Linear]:
    """Pack what can be packed of a model in float32 on the processor; return the layers."""
    if not suits_processor():
        return []
    layers = [layer for layer in model.modules() if type(layer) is nn.Linear and _is_plain(layer.weight)]
    for layer in layers:
        layer.packed_weight = torch.ops.mkldnn._reorder_linear_weight(layer.weight.detach())
        layer.__class__ = PackedLinear
    return layers


def _is_plain(weight: torch.Tensor) -> bool:
    return weight.device.type == "cpu" and weight.dtype == torch.float32


@contextmanager
def packed(model: nn.Module) -> Iterator[None]:
    """Pack a model for as long as its weights do not change."""
    layers = pack(model)
    try:
        yield
    finally:
        for layer in layers:
            layer.__class__ = nn.Linear
            del layer.packed_weight
