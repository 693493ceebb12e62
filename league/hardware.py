"""The machine: what must be settled before torch looks at it, and what suits it."""

import ctypes
import os
import sys
import warnings

import torch
from transformers.utils import logging

from .errors import UserError


def prepare_process() -> None:
    """Settle what must be settled before torch looks at the hardware."""
    # Left alone, Transformers spreads one process over all GPUs it sees (DataParallel), which changes the batch.
    if "WORLD_SIZE" not in os.environ:
        os.environ["CUDA_VISIBLE_DEVICES"] = os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0]
    if torch.cuda.is_available():
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True, warn_only=True)
        # Nothing here reads what it has not written: filling every new tensor would be one more kernel for each.
        torch.utils.deterministic.fill_uninitialized_memory = False
    else:
        # oneDNN compiles a kernel for each shape, milliseconds each, and forgets all but 1024: sentences have more.
        os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "16384")
        if sys.platform == "linux":
            _keep_memory()
    warnings.filterwarnings("ignore", message=".*pin_memory.*")
    logging.set_verbosity_error()
    logging.disable_progress_bar()


def _keep_memory() -> None:
    # glibc hands the logits' 30 MB back after every step, and the kernel clears them anew. Larger blocks do go back:
    # kept, those of a fine-tune's long sentences break the heap up until it takes twice the memory.
    m_trim_threshold, m_mmap_threshold = -1, -3
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt:
        mallopt(m_trim_threshold, 2**31 - 1)
        mallopt(m_mmap_threshold, 32 * 2**20)  # the most that glibc takes


def check_memory(num_parameters: int) -> None:
    """Refuse a model that cannot be trained in this machine's memory, before the attempt fills it."""
    needed = 16 * num_parameters  # bytes: a weight, its gradient and two moments of Adam, in float32
    try:
        there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # Windows
        return
    if needed > there:
        raise UserError(
            f"a structure of {num_parameters:,} parameters needs {needed / 2**30:,.0f} GiB to train; "
            f"this machine has {there / 2**30:,.0f}: take a smaller one."
        )


def has_gpu() -> bool:
    return torch.cuda.is_available() or torch.backends.mps.is_available()


def device_like(name: str) -> torch.device:
    """Return the device of this machine that is of the kind of a recorded one, as far as there is one."""
    if name == "cpu" or not has_gpu():
        return torch.device("cpu")
    return torch.device("cuda" if torch.cuda.is_available() else "mps")


def device_name() -> str:
    """Return what trains here: the GPU's name, mps or cpu."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return "mps" if torch.backends.mps.is_available() else "cpu"


def pick_precision() -> str:
    """Return the fastest precision that trains well on this hardware: bf16, fp16 or fp32."""
    if torch.cuda.is_available():
        return "bf16" if torch.cuda.get_device_capability() >= (8, 0) else "fp16"
    if torch.backends.mps.is_available():
        return "fp32"
    native = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    return "bf16" if native() else "fp32"
