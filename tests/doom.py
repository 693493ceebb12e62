"""What dies in a forked process: it reports every change to a file and every turn of the clock, until one kills it."""

import os
import re
import shutil
import signal
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from transformers import modeling_utils

from league.record import clock

CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.chmod", "os.truncate", "os.link", "os.symlink"}


@dataclass
class Kill:
    """A moment: so many seconds, or changes to files, after the first change that matches `after`."""

    ranks: tuple[int, ...]
    after: str = ""
    seconds: float | None = None
    changes: int | None = None
    share: float = 0.0  # of a file's bytes that are there when the kill tears it


class Doom:
    """Reports every change to a file, and dies at the one that was drawn."""

    def __init__(self, pipe: int, kill: Kill | None):
        self.pipe, self.kill, self.left = pipe, kill, kill.changes if kill else None
        self.has_begun = self.is_dying = False

    def report(self, what: str) -> None:
        os.write(self.pipe, f"{time.monotonic()} {what}\n".encode())

    def on_event(self, event: str, args: tuple) -> None:
        if event in CHANGES or (event == "open" and args[2] & (os.O_WRONLY | os.O_RDWR)):
            path = args[1] if event == "os.rename" else args[0]
            within_folder = isinstance(args[-1], int) and args[-1] >= 0 and event in ("os.remove", "os.rmdir")
            if isinstance(path, int) or (event == "open" and os.path.isdir(path)):  # a folder: tempfile looks for room
                return
            if within_folder or re.search("runs/|modules/", os.fspath(path)):
                self.change(event, os.fspath(path))

    def change(self, event: str, path: str, tear: bool = False) -> None:
        if self.is_dying:
            return
        name = re.sub(r"(/\.[^/]+)\.\w{8}(?=/|$)", r"\1.*", os.path.relpath(path))
        what = f"{'torn ' * tear}{event} {name}"
        self.report(what)
        if self.left is None:
            return
        self.has_begun = self.has_begun or re.search(self.kill.after, what) is not None
        if self.has_begun and self.left == 0:
            self.is_dying = True
            if tear:
                os.truncate(path, int(os.path.getsize(path) * self.kill.share))
            os.kill(os.getpid(), signal.SIGKILL)
        self.left -= self.has_begun

    def tearing(self, write, event: str):
        """Wrap a function `write(what, path)` so that a kill may leave a part of its file."""

        def write_and_tear(content, path, *args, **kwargs):
            done = write(content, path, *args, **kwargs)
            if isinstance(path, (str, os.PathLike)) and re.search("runs/|modules/", os.path.abspath(path)):
                self.change(event, os.fspath(path), tear=True)
            return done

        return write_and_tear

    def attach(self) -> None:
        torch.save = self.tearing(torch.save, "torch.save")
        modeling_utils.safe_save_file = self.tearing(modeling_utils.safe_save_file, "safetensors")
        shutil.copyfile = self.tearing(shutil.copyfile, "copyfile")
        charge = clock.Clock.charge

        @contextmanager
        def reported_charge(this, purpose):
            self.report("clock starts")
            with charge(this, purpose) as charged:
                self.report("clock runs")
                yield charged
                self.report("clock stops")
            self.report("clock stands")

        clock.Clock.charge = reported_charge
        sys.addaudithook(self.on_event)
