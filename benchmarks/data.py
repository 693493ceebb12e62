"""Part `data`: what loading, training the tokenizer and tokenizing take, in time and memory, by the number of pairs."""

import os
import resource
import shutil
import sys
import time
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

from benchmarks.setting import Bench, write_pairs
from benchmarks.shared import once, own_peak_mib, progress


def measure(bench: Bench) -> dict[str, Any]:
    rows = []
    for count in bench.options.pairs:
        folder = bench.folder / f"pairs-{count}"
        progress(f"data: writing {count:,} pairs")
        write_pairs(folder / "multi30k", "captions", "train", count)
        progress("data: loading and tokenizing them")
        facts = once("data.load_and_tokenize", bench.folder, data_dir=str(folder), pairs=count)
        shutil.rmtree(folder)
        rows.append({"arm": f"{count:,} pairs", **facts})
    for row in rows:
        row["ratio of pairs/s"] = row["pairs/s tokenized"] / rows[0]["pairs/s tokenized"]
        row["ratio of peak"] = row["peak MiB"] / rows[0]["peak MiB"]
    notes = ["each size in a process of its own, generated captions read as text files, vocabulary 8,000"]
    notes.append("cores: CPU seconds over seconds while tokenizing; start MiB: held before any data")
    return {"notes": notes, "baseline": rows[0]["arm"], "rows": rows}


def load_and_tokenize(channel, data_dir: str, pairs: int) -> None:
    """Job: what a stage does before its first step, with a training split of any size."""
    from league.data.corpora import load_split
    from league.data.tokens import tokenize_split
    from league_config import AING
    from modeling import train_tokenizer

    start, child = own_peak_mib(), child_peak_mib()
    corpus = replace(AING.pretrain.corpus, num_train_pairs=pairs)
    league = replace(AING, pretrain=replace(AING.pretrain, corpus=corpus))
    moments = [time.perf_counter()]
    split = load_split(league, corpus, "train", data_dir)
    moments.append(time.perf_counter())
    tokenizer = train_tokenizer(chain(split.sources, split.targets), league.vocab_size, league.max_length)
    moments.append(time.perf_counter())
    before = cpu_seconds()
    tokens = tokenize_split(split, tokenizer, league.max_length, Path(data_dir) / "cache")
    moments.append(time.perf_counter())
    used = cpu_seconds() - before
    loading, training, tokenizing = (end - begin for begin, end in zip(moments, moments[1:], strict=False))
    answer = {"load s": loading, "train tokenizer s": training, "tokenize s": tokenizing}
    answer |= {"pairs/s tokenized": len(tokens) / tokenizing, "cores": used / tokenizing}
    answer |= {"start MiB": start, "peak MiB": own_peak_mib()}
    if child_peak_mib() > child:
        answer["largest child MiB"] = child_peak_mib()
    channel.answer(**answer)


def cpu_seconds() -> float:
    """Return the CPU time of this process and of those that it has started and ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def child_peak_mib() -> float:
    """Return the most memory that a process which this one has started and ended has held."""
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
