"""The machine: what must be settled before torch looks at it, and what suits it."""

import ctypes
import os
import sys
import warnings
from pathlib import Path

import torch
from transformers.utils import logging

from league.errors import UserError

YES = ("1", "on", "t", "true", "y", "yes")  # in accelerate's variables
NO_MEMORY = ("can't allocate memory", "CUDA error: out of memory", "CUBLAS_STATUS_ALLOC_FAILED")
NO_MEMORY += ("MPS backend out of memory", "Invalid buffer size")
NVIDIA_DRIVER = Path("/proc/driver/nvidia/version")


def prepare_process() -> None:
    """Settle what must be settled before torch looks at the hardware."""
    if os.environ.get("ACCELERATE_USE_CPU", "").lower() in YES:
        os.environ["CUDA_VISIBLE_DEVICES"] = ""  # accelerate alone would put the model there, the Trainer its batches
    os.environ["ACCELERATE_MIXED_PRECISION"] = "no"  # where we train in fp32 accelerate would do as its launcher says
    # Left alone, Transformers spreads one process over all GPUs it sees (DataParallel), which changes the batch.
    if "WORLD_SIZE" not in os.environ:
        os.environ["CUDA_VISIBLE_DEVICES"] = os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0]
    if torch.cuda.is_available():
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True, warn_only=True)
        # Nothing here reads what it has not written: filling every new tensor would be one more kernel for each.
        torch.utils.deterministic.fill_uninitialized_memory = False
        # cuDNN's attention builds a plan for each pair of lengths, tens of milliseconds each: sentences have too many.
        torch.backends.cuda.enable_cudnn_sdp(False)
    else:
        # oneDNN compiles a kernel for each shape, milliseconds each, and forgets all but 1024: sentences have more.
        os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "16384")
        if sys.platform == "linux":
            _keep_memory()
        _warn_of_an_unused_gpu()
    warnings.filterwarnings("ignore", message=".*pin_memory.*")
    logging.set_verbosity_error()
    logging.disable_progress_bar()


def _warn_of_an_unused_gpu() -> None:
    is_first = os.environ.get("RANK", "0") == "0"
    if is_first and os.environ.get("CUDA_VISIBLE_DEVICES") != "" and NVIDIA_DRIVER.exists():
        print(
            f"This machine has an NVIDIA GPU that torch {torch.__version__} cannot use, so the CPU computes: its "
            "driver may be too old for this build, or the build is for CPUs; https://pytorch.org lists others.",
            file=sys.stderr,
        )


def _keep_memory() -> None:
    # glibc hands the logits' 30 MB back after every step, and the kernel clears them again. Larger blocks do go back:
    # kept, those of a fine-tune's long sentences break the heap up until it takes twice the memory.
    m_trim_threshold, m_mmap_threshold = -1, -3
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt:
        mallopt(m_trim_threshold, 2**31 - 1)
        mallopt(m_mmap_threshold, 32 * 2**20)  # the most that glibc takes


def check_memory(num_parameters: int) -> None:
    """Refuse a model that cannot be trained in this machine's memory, before the attempt fills it."""
    needed = 16 * num_parameters  # bytes: a weight, its gradient and two moments of Adam, in float32
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if needed > memory:
        raise UserError(
            f"a structure of {num_parameters:,} parameters needs {needed / 2**30:,.0f} GiB to train; "
            f"this machine has {memory / 2**30:,.0f}: take a smaller one."
        )


def best_device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu")


def has_gpu() -> bool:
    return best_device().type != "cpu"


def device_like(name: str) -> torch.device:
    """Return the device of this machine that is of the kind of a recorded one, as far as there is one."""
    return torch.device("cpu") if name == "cpu" else best_device()


def device_name() -> str:
    """Return what trains here: the GPU's name, mps or cpu."""
    return torch.cuda.get_device_name() if torch.cuda.is_available() else best_device().type


def pick_precision() -> str:
    """Return the fastest precision that trains well on this hardware: bf16, fp16 or fp32."""
    if torch.cuda.is_available():
        return "bf16" if torch.cuda.get_device_capability() >= (8, 0) else "fp16"
    if torch.backends.mps.is_available():
        return "fp32"
    native = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    return "bf16" if native() else "fp32"


def is_of_machine(error: Exception) -> bool:
    """Tell whether an error says something of this machine, its memory or its disk, and nothing of what it was at."""
    return isinstance(error, OSError) or is_out_of_memory(error)


def is_out_of_memory(error: Exception) -> bool:
    """Tell whether memory was short, of whatever device."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or any(word in str(error) for word in NO_MEMORY)
