"""Runs scripts for the tests in forks of a process that has imported the libraries already: seconds less for each.

Reads a line of JSON for each run and answers with its exit code. None of our own code is imported before the fork.
"""

import json
import os
import runpy
import signal
import socket
import sys

import accelerate  # noqa: F401
import datasets  # noqa: F401
import evaluate  # noqa: F401
import sacrebleu  # noqa: F401
import torch  # noqa: F401
from transformers import Seq2SeqTrainer, Seq2SeqTrainingArguments, modeling_utils  # noqa: F401


def serve() -> list[str] | None:
    """Fork for every run that is asked for; return its words in the fork, and nothing when no more will come."""
    for line in sys.stdin:
        asked = json.loads(line)
        processes = asked.pop("processes")
        if not (pid := os.fork()):
            become(**asked)
            if processes > 1:
                launch(processes)
            return asked["words"]
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        print(code, flush=True)


def launch(processes: int) -> None:
    """Return in so many further forks, as a launcher starts them; where one fails, end the others and exit with 1."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(taken.getsockname()[1])}
    os.environ |= {"WORLD_SIZE": str(processes), "LOCAL_WORLD_SIZE": str(processes)}
    ranks = set()
    for rank in range(processes):
        if not (pid := os.fork()):
            os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank)}
            return
        ranks.add(pid)
    failed = False
    while ranks:
        pid, status = os.wait()
        ranks.remove(pid)
        if status and not failed:
            failed = True
            for other in ranks:
                os.kill(other, signal.SIGTERM)
    os._exit(failed)


def become(words: list[str], folder: str, settings: dict[str, str], stdout: str, stderr: str) -> None:
    """Take the place of a process that was started with these words."""
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(settings)
    for number, path, mode in ((0, os.devnull, os.O_RDONLY), (1, stdout, os.O_WRONLY), (2, stderr, os.O_WRONLY)):
        os.dup2(os.open(path, mode), number)
    sys.argv[:] = words
    sys.path[0] = folder if words[0] == "-m" else os.path.dirname(words[0])


if __name__ == "__main__":
    words = serve()
    if words and words[0] == "-m":
        sys.argv[:] = words[1:]
        runpy.run_module(words[1], run_name="__main__", alter_sys=True)
    elif words:
        runpy.run_path(words[0], run_name="__main__")
