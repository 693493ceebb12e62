"""Part `league`: a whole league from start to score, ours beside the library's own way with a model as large."""

import time
from dataclasses import asdict
from typing import Any

from benchmarks.setting import STRUCTURE, Bench
from benchmarks.shared import Worker, progress
from league_config import AING, DEMO, LEAGUES, ModelHP

BASELINE = "marian-defaults"
SCRIPTS = {"train_pretrain": "stage A s", "train_finetune": "stage B s", "evaluate_bleu": "scoring s"}


def measure(bench: Bench) -> dict[str, Any]:
    league = AING if bench.options.data_dir else DEMO
    shared = {"league": league.name, "data_dir": str(bench.data_dir) if bench.options.data_dir else None}
    rows = [ours(bench, shared), marian(bench, shared)]
    for row in rows:
        row["speed ratio"] = rows[1]["total s"] / row["total s"]
    notes = [f"the {league.name} league at the start values, {'/'.join(str(ModelHP.__dict__[n]) for n in STRUCTURE)}"]
    notes.append("seconds of wall time, stages with validation; ours: three processes, each with its preparation")
    notes.append(f"{BASELINE}: as many steps and sentences, the library's defaults, beam 4 in batches of 64")
    return {"notes": notes, "baseline": BASELINE, "rows": rows}


def ours(bench: Bench, shared: dict[str, Any]) -> dict[str, Any]:
    """Play the three scripts."""
    row: dict[str, Any] = {"arm": "ours", "preparation s": None}
    for script, name in SCRIPTS.items():
        started = time.perf_counter()
        with Worker("league.play", bench.folder, script, script=script, **shared) as worker:
            bleu = worker.receive()["bleu"]
        row[name] = time.perf_counter() - started
        progress(f"league: {script} took {row[name]:.0f} s")
    return row | {"total s": sum(row[name] for name in SCRIPTS.values()), "BLEU": bleu}


def marian(bench: Bench, shared: dict[str, Any]) -> dict[str, Any]:
    """Play the same with the library's translator, in one process."""
    started = time.perf_counter()
    with Worker("league.play_marian", bench.folder, BASELINE, **shared) as worker:
        worker.receive()
        row = {"arm": BASELINE, "preparation s": time.perf_counter() - started}
        for name in SCRIPTS.values():
            begun = time.perf_counter()
            bleu = worker.receive()["bleu"]
            row[name] = time.perf_counter() - begun
            progress(f"league: Marian's {name.removesuffix(' s')} took {row[name]:.0f} s")
    return row | {"total s": time.perf_counter() - started, "BLEU": bleu}


# Jobs


def play(channel, script: str, league: str, data_dir: str | None) -> None:
    """Job: one of the three scripts, as its command line would run it."""
    import importlib

    where = ["--data_dir", data_dir] if data_dir else []
    importlib.import_module(script).main(["--league", league, "--entry", "whole", *where])

    from league.record.shape import read_record
    from league.run.entry import RUNS

    score = read_record(RUNS / "whole" / "record.json").score
    channel.answer(bleu=score and score.value)


def play_marian(channel, league: str, data_dir: str | None) -> None:
    """Job: the same work, as a script for the library's defaults would do it."""
    from transformers import set_seed

    from benchmarks import marian
    from league.data.corpora import load_split
    from modeling import train_tokenizer

    rules = LEAGUES[league]
    corpora = [stage.corpus for stage in (rules.pretrain, rules.finetune)]
    train, validation = (
        [load_split(rules, corpus, split, data_dir) for corpus in corpora] for split in ("train", "validation")
    )
    test = load_split(rules, corpora[0], "test", data_dir)
    tokenizer = train_tokenizer([*train[0].sources, *train[0].targets], rules.vocab_size, rules.max_length)
    pairs = [marian.tokenize(split, tokenizer, rules) for split in train]
    set_seed(1)
    model = marian.build(tokenizer, asdict(ModelHP()), rules)
    channel.answer(ready=True)
    rates = (marian.LEARNING_RATE, 1e-4)
    for stage, stage_pairs, rate in zip((rules.pretrain, rules.finetune), pairs, rates, strict=True):
        flags = {name: stage.arguments[name] for name in ("max_steps", "warmup_steps") if name in stage.arguments}
        flags |= {"per_device_eval_batch_size": rules.batch_size, "predict_with_generate": True}
        trainer = marian.trainer(model, tokenizer, stage_pairs, learning_rate=rate, **flags)
        trainer.train()
        channel.answer(bleu=[translate(trainer, split, rules) for split in validation])
    channel.answer(bleu=translate(trainer, test, rules))


def translate(trainer, split, rules) -> float:
    """Translate a split inside the library's Trainer; return its BLEU."""
    import numpy as np
    import sacrebleu

    from benchmarks import marian

    tokenizer = trainer.processing_class
    pairs = marian.tokenize(split, tokenizer, rules)
    search = {name: value for name, value in rules.decoding.items() if name != "batch_size"}
    output = trainer.predict(pairs, max_length=rules.max_length, **search).predictions
    ids = np.where(output < 0, tokenizer.pad_token_id, output)
    return sacrebleu.corpus_bleu(tokenizer.batch_decode(ids, skip_special_tokens=True), [list(split.targets)]).score
