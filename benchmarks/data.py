"""Part `data`: what loading, training the tokenizer and tokenizing take, in time and memory, by the number of rows.

Once for pairs, as a translator learns from them, and once for the same lines as plain text, mixed from two corpora.
"""

import os
import resource
import shutil
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.setting import Bench, write_pairs
from benchmarks.shared import once, own_peak_mib, progress
from league.rulebook import League, Mixture, Part
from league.tasks.task import task_of
from league_config import AING, TWEETS


def measure(bench: Bench) -> dict[str, Any]:
    rows = []
    for count in bench.options.pairs:
        folder = bench.folder / f"pairs-{count}"
        progress(f"data: writing {count:,} pairs")
        write_pairs(folder / "multi30k", "captions", "train", count)
        progress("data: loading and tokenizing them")
        for kind in KINDS:
            facts = once("data.load_and_tokenize", bench.folder, data_dir=str(folder), kind=kind, count=count)
            rows.append({"arm": f"{count:,} {kind}", **facts})
        shutil.rmtree(folder)
    for row in rows:
        row["ratio of rows/s"] = row["rows/s tokenized"] / rows[0]["rows/s tokenized"]
        row["ratio of peak"] = row["peak MiB"] / rows[0]["peak MiB"]
    notes = ["each size in a process of its own, generated captions read as text files, vocabulary 8,000"]
    notes.append("cores: CPU seconds over seconds while tokenizing; start MiB: held before any data")
    return {"notes": notes, "baseline": rows[0]["arm"], "rows": rows}


def pairs_of(count: int) -> League:
    corpus = replace(AING.pretrain.corpus, num_train_pairs=count)
    return replace(AING, pretrain=replace(AING.pretrain, corpus=corpus))


def texts_of(count: int) -> League:
    captions = AING.pretrain.corpus
    shares = {"en": count // 2, "de": count - count // 2}
    parts = tuple(Part(captions.name, column, number, captions.origin) for column, number in shares.items())
    corpus = replace(TWEETS.pretrain.corpus, num_train_pairs=count, origin=Mixture(parts))
    return replace(TWEETS, pretrain=replace(TWEETS.pretrain, corpus=corpus))


KINDS = {"pairs": pairs_of, "texts": texts_of}


def load_and_tokenize(channel, data_dir: str, kind: str, count: int) -> None:
    """Job: what a stage does before its first step, with a training split of any size."""
    from modeling import train_tokenizer  # here, with what it loads: the process that measures needs none of it

    start, child = own_peak_mib(), child_peak_mib()
    rules = KINDS[kind](count)
    task = task_of(rules, "pretrain")
    moments = [time.perf_counter()]
    split = task.load_split(rules.pretrain.corpus, "train", data_dir)
    moments.append(time.perf_counter())
    # However few entries they give: the league itself asks for a whole vocabulary.
    texts, options = task.tokenizer_texts(split), task.tokenizer_options()
    tokenizer = train_tokenizer(texts, rules.vocab_size, rules.max_length, **options)
    moments.append(time.perf_counter())
    before = cpu_seconds()
    tokens = task.tokenize(split, tokenizer, Path(data_dir) / f"cache-{kind}")
    moments.append(time.perf_counter())
    used = cpu_seconds() - before
    loading, training, tokenizing = (end - begin for begin, end in zip(moments, moments[1:], strict=False))
    answer = {"load s": loading, "train tokenizer s": training, "tokenize s": tokenizing}
    answer |= {"rows/s tokenized": len(tokens) / tokenizing, "cores": used / tokenizing}
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
