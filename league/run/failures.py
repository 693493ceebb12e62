"""What the machine could not do, memory or disk, in one line with what helps, instead of a traceback."""

import errno
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors import SafetensorError

from league.errors import OutOfMemory, UserError
from league.hardware import is_out_of_memory
from league.record.rules import names_tuned
from league.run.entry import Entry

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
CLOSED = {errno.EROFS, errno.EACCES, errno.EPERM, errno.EEXIST, errno.ENOTDIR}
DISK = FULL | CLOSED | {errno.EIO}


@contextmanager
def clear_failures(entry: Entry, device: torch.device, device_batch_size: int | None = None):
    """Turn what the machine refuses inside the block into a user error."""
    try:
        yield
    except (MemoryError, OSError, RuntimeError, SafetensorError) as error:
        text = str(error)
        if is_out_of_memory(error):
            raise OutOfMemory(_out_of_memory(entry, device, device_batch_size)) from None
        # torch.save speaks of its archive, safetensors of serializing; Python has a number.
        is_write = "PytorchStreamWriter" in text or "unexpected pos" in text or isinstance(error, SafetensorError)
        if is_write or getattr(error, "errno", None) in DISK:
            raise UserError(_unwritable(entry.folder, error)) from None
        raise


@contextmanager
def clear_disk(folder: Path):
    """Turn what the disk refuses inside the block into a user error."""
    try:
        yield
    except OSError as error:
        if error.errno not in DISK:
            raise
        raise UserError(_unwritable(folder, error)) from None


def _unwritable(folder: Path, error: Exception) -> str:
    reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
    closed = getattr(error, "errno", None) in CLOSED
    remedy = "It must be a folder that you may write to" if closed else "Make room"
    return f"cannot write below {folder}: {reason}. {remedy}; the same command then resumes from what was saved last."


def _out_of_memory(entry: Entry, device: torch.device, held: int | None) -> str:
    asked = entry.record.asked
    structure = ", ".join(f"{name} {asked[name]}" for name in names_tuned(entry.rules, "pretrain") if name in asked)
    if held is None:
        remedy = "close what else uses it"
        if device.type != "cpu":
            remedy += ", or continue on the CPU: CUDA_VISIBLE_DEVICES= before the command"
    elif held % 2 == 0:
        remedy = f"--device_batch_size {held // 2} needs about half the memory and trains the same global batch"
    else:
        remedy = "a smaller structure is what is left to try, with another --entry"
    return f"out of memory on {device} with {structure}: {remedy}."
