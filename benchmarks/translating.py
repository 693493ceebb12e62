"""Part `translating`: sentences a second of the translator, line by line, beside the scoring of evaluate_bleu.py."""

import io
from typing import Any

from benchmarks.scoring import our_checkpoint, serve
from benchmarks.setting import Bench, has_ctranslate2, read_test
from benchmarks.shared import alternate, arms, rates, ratios, spread

BASELINE = "evaluate_bleu"
ENGINES = {"translate": ("torch", "float32")}
FAST_ENGINES = {f"ctranslate2-{precision}": ("ctranslate2", precision) for precision in ("float32", "int8")}


def measure(bench: Bench) -> dict[str, Any]:
    import sacrebleu

    test = [str(bench.data_dir), bench.options.sentences]
    _, targets = read_test(*test)
    checkpoint = str(our_checkpoint(bench)[0])
    jobs = {BASELINE: ("scoring.ours", {})}
    for name, (engine, compute_type) in (ENGINES | (FAST_ENGINES if has_ctranslate2() else {})).items():
        jobs[name] = ("translating.command", {"engine": engine, "compute_type": compute_type})
    shared = {"checkpoint": checkpoint, "test": test}
    jobs = {name: (job, values | shared) for name, (job, values) in jobs.items()}
    with arms("translating", bench.folder, jobs) as workers:
        answers = alternate(workers, bench.options.rounds)
        texts = {worker.name: worker.ask(texts=True)["texts"] for worker in workers}
    speeds = {name: rates(answers[name], "sentences") for name in jobs}
    rows = [
        {
            "arm": name,
            "sentences/s": spread(speeds[name]),
            "ratio": ratios(speeds[name], speeds[BASELINE]),
            "BLEU": sacrebleu.corpus_bleu(texts[name], [targets]).score,
            "identical": sum(one == other for one, other in zip(texts[name], texts[BASELINE], strict=True)),
        }
        for name in jobs
    ]
    notes = [f"{len(targets)} sentences, the league's decoding; from the bytes of a file to those of its translation"]
    if not has_ctranslate2():
        notes.append("ctranslate2 is not installed: no such arms")
    return {"notes": notes, "baseline": BASELINE, "rows": rows}


def command(channel, checkpoint: str, engine: str, compute_type: str, test: list) -> None:
    """Job: what `python -m tools.translate` does between its input and its output."""
    from tools.translate import TranslateOptions, load, translate_lines

    sources, _ = read_test(*test)
    options = TranslateOptions(engine=engine, compute_type=compute_type)
    translator = load(checkpoint, options)

    def translate(texts: list[str]) -> list[str]:
        target = io.BytesIO()
        translate_lines(translator, options, io.BytesIO("\n".join(texts).encode()), target)
        return target.getvalue().decode().split("\n")[:-1]

    serve(channel, translate, translator.tokenizer, sources, engine)
