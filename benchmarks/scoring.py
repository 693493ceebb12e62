"""Part `scoring`: sentences a second under beam search, each engine on a trained model of the same size."""

import json
import shutil
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.setting import STRUCTURE, Bench, bench_league, cache_folder, flags_of, has_ctranslate2, read_test
from benchmarks.shared import alternate, arms, once, rates, ratios, spread
from league.errors import UserError
from league.tasks.task import task_of
from league.threads import LIBRARYS_OWN, cores
from league_config import AING, LEAGUES

BASELINE = "marian"
BATCH_SIZES = (16, 32, 64, 100)
CT2_BATCHES = (("examples", 16), ("examples", 32), ("examples", 64), ("tokens", 1024), ("tokens", 4096))
TRIAL = 200  # sentences on which an arm finds its best batch size
SAME_AS = {
    "ours-one-at-a-time": "ours",
    "ours-library-search": "ours",
    "ctranslate2-float32": BASELINE,
    "ctranslate2-int8": BASELINE,
}


def measure(bench: Bench) -> dict[str, Any]:
    options = bench.options
    test = [str(bench.data_dir), options.sentences]
    sources, targets = read_test(*test)
    checkpoint, marian = models(bench)
    jobs = {
        "ours": ("scoring.ours", {"checkpoint": str(checkpoint)}),
        "ours-one-at-a-time": ("scoring.ours", {"checkpoint": str(checkpoint), "plain": True}),
        "ours-library-search": ("scoring.ours", {"checkpoint": str(checkpoint), "library_search": True}),
        BASELINE: ("scoring.marian_arm", {"folder": str(marian)}),
    }
    if has_ctranslate2():
        for precision in ("float32", "int8"):
            values = {"folder": str(marian), "precision": precision, "work": str(bench.folder)}
            jobs[f"ctranslate2-{precision}"] = ("scoring.ctranslate2_arm", values)
    jobs = {name: (job, values | {"test": test}) for name, (job, values) in jobs.items()}
    with arms("scoring", bench.folder, jobs, {BASELINE: LIBRARYS_OWN}) as workers:
        answers = alternate(workers, options.rounds)
        texts = {worker.name: worker.ask(texts=True)["texts"] for worker in workers}
        batches = {worker.name: worker.ready["batch"] for worker in workers}
    notes = [f"{len(sources)} sentences, beam 4, length penalty 1, no early stopping, at most 128 tokens, float32"]
    notes.append(
        "each arm's time is from texts to texts; tokens are those of the texts that it returns, <eos> included"
    )
    if not has_ctranslate2():
        notes.append("ctranslate2 is not installed: no such arms")
    rows = [row(name, answers, texts, targets) | {"batch": batches[name]} for name in jobs]
    return {"notes": notes, "baseline": BASELINE, "rows": rows}


def row(name: str, answers: dict[str, list], texts: dict[str, list[str]], targets: list[str]) -> dict[str, Any]:
    """Return an arm's line of the table."""
    import sacrebleu

    rounds, baseline = answers[name], answers[BASELINE]
    peer = SAME_AS.get(name)
    same = sum(one == other for one, other in zip(texts[name], texts[peer], strict=True)) if peer else None
    return {
        "arm": name,
        "sentences/s": spread(rates(rounds, "sentences")),
        "tokens/s": spread(rates(rounds, "tokens")),
        "ratio of sentences/s": ratios(rates(rounds, "sentences"), rates(baseline, "sentences")),
        "ratio of tokens/s": ratios(rates(rounds, "tokens"), rates(baseline, "tokens")),
        "tokens a sentence": rounds[0]["tokens"] / rounds[0]["sentences"],
        "BLEU": sacrebleu.corpus_bleu(texts[name], [targets]).score,
        "identical": f"{same} of {len(texts[name])} to {peer}" if peer else None,
    }


def our_checkpoint(bench: Bench) -> tuple[Path, dict[str, int]]:
    """Return the folder of our trained model, and its structure; train it here if none was given."""
    options, structure = bench.options, bench.options.structure
    if options.checkpoint:
        try:
            config = json.loads((Path(options.checkpoint) / "config.json").read_text())
            return Path(options.checkpoint).resolve(), {name: config[name] for name in STRUCTURE}
        except (OSError, ValueError, LookupError, TypeError):
            raise UserError(f"--checkpoint {options.checkpoint}: its config.json describes no Aing model.") from None
    checkpoint = cache_folder("ours", bench.data_dir, structure, options.marian_steps)
    if not checkpoint.is_dir():
        shared = {"structure": structure, "data_dir": str(bench.data_dir), "steps": options.marian_steps}
        once("scoring.train_ours", bench.folder, to=str(checkpoint), **shared)
    return checkpoint, structure


def models(bench: Bench) -> tuple[Path, Path]:
    """Return the folders of both trained models; train here what was not given."""
    options = bench.options
    checkpoint, structure = our_checkpoint(bench)
    if options.marian:
        return checkpoint, Path(options.marian).resolve()
    tokenizer = (checkpoint / "tokenizer.json").read_text()
    marian = cache_folder("marian", bench.data_dir, structure, options.marian_steps, tokenizer)
    if not marian.is_dir():
        made = marian.with_name(f".{marian.name}")
        folders = {"data": str(bench.data_dir), "tokenizer": str(checkpoint), "to": str(made)}
        once("marian.train", bench.folder, structure=structure, steps=options.marian_steps, folders=folders)
        made.rename(marian)
    return checkpoint, marian


# Jobs


def train_ours(channel, structure: dict[str, int], data_dir: str, steps: int, to: str) -> None:
    """Job: play a shortened stage A and keep its checkpoint."""
    import train_pretrain
    from league.files import new_folder
    from league.run.entry import RUNS

    LEAGUES["bench"] = bench_league(steps)
    channel.say(f"training ours for {steps} steps")
    train_pretrain.main(["--league", "bench", "--entry", "trained", "--data_dir", data_dir, *flags_of(structure)])
    with new_folder(Path(to)) as made:
        shutil.copytree(RUNS / "trained" / "pretrain", made, dirs_exist_ok=True)
    channel.answer(done=True)


def serve(channel, translate, tokenizer, sources: list[str], batch: Any) -> None:
    """Translate the sentences whenever the parent asks."""
    from league.data.tokens import encode

    translate(sources[:64])
    channel.answer(ready=True, batch=batch)
    while True:
        question = channel.wait()
        started = time.perf_counter()
        texts = translate(sources)
        seconds = time.perf_counter() - started
        tokens = sum(len(ids) for ids, _ in encode(tokenizer, texts, AING.max_length))
        facts = {"texts": texts} if question.get("texts") else {}
        channel.answer(seconds=seconds, sentences=len(texts), tokens=tokens, **facts)


def fastest(translate, sources: list[str], candidates) -> Any:
    """Return the candidate with which a few of the sentences, of all lengths, are translated in the least time."""
    some = sources[:: max(1, len(sources) // TRIAL)]
    seconds = {}
    for candidate in candidates:
        started = time.perf_counter()
        translate(some, candidate)
        seconds[candidate] = time.perf_counter() - started
    return min(seconds, key=seconds.get)


def ours(channel, checkpoint: str, test: list, library_search: bool = False, plain: bool = False) -> None:
    """Job: the league's decoding, or the library's own search on the same model and batches.

    The plain arm has one batch at a time and weights as they are.
    """
    from accelerate import PartialState
    from transformers import GenerationMixin

    from league import hardware
    from league.tasks import packed, predicting

    hardware.prepare_process()
    if plain:
        predicting.AT_A_TIME, packed.suits_processor = 1, lambda: False
    state = PartialState(cpu=not hardware.has_gpu())
    vocab_size = json.loads((Path(checkpoint) / "config.json").read_text())["vocab_size"]
    rules = replace(AING, vocab_size=vocab_size)
    sources, _ = read_test(*test)
    task = task_of(rules)
    model, tokenizer = task.load_checkpoint(Path(checkpoint))
    task.prepare(model)
    model.to(state.device)
    if library_search:
        model.generation_config.output_scores = True  # or the library's search returns no sums
        model.__class__ = type(
            model.__class__.__name__, (model.__class__,), {"_beam_search": GenerationMixin._beam_search}
        )

    def translate(texts: list[str]) -> list[str]:
        return predicting.predict(task, model, tokenizer, texts)

    serve(channel, translate, tokenizer, sources, rules.decoding["batch_size"])


def marian_arm(channel, folder: str, test: list) -> None:
    """Job: the library's translator and search, sentences sorted by length, at its best batch size."""
    import torch
    from transformers import MarianMTModel, PreTrainedTokenizerFast

    from league import hardware
    from league.data.batches import pad
    from league.data.tokens import encode

    sources, _ = read_test(*test)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    device = hardware.best_device()
    model = MarianMTModel.from_pretrained(folder, dtype=torch.float32).to(device).eval()
    search = {name: value for name, value in AING.decoding.items() if name != "batch_size"}

    @torch.inference_mode()
    def translate(texts: list[str], batch_size: int) -> list[str]:
        rows = [ids for ids, _ in encode(tokenizer, texts, AING.max_length)]
        order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
        done = [""] * len(rows)
        for first in range(0, len(order), batch_size):
            batch = order[first : first + batch_size]
            ids = pad([rows[i] for i in batch], tokenizer.pad_token_id).to(device)
            mask = (ids != tokenizer.pad_token_id).long()
            output = model.generate(input_ids=ids, attention_mask=mask, max_length=AING.max_length, **search)
            for i, text in zip(batch, tokenizer.batch_decode(output, skip_special_tokens=True), strict=True):
                done[i] = text
        return done

    translate(sources[:32], 32)
    best = fastest(translate, sources, BATCH_SIZES)
    serve(channel, lambda texts: translate(texts, best), tokenizer, sources, best)


def ctranslate2_arm(channel, folder: str, precision: str, work: str, test: list) -> None:
    """Job: the same Marian model under CTranslate2, at its best batch size."""
    import ctranslate2
    from transformers import PreTrainedTokenizerFast

    from benchmarks.marian_export import convert
    from league.data.tokens import encode

    sources, _ = read_test(*test)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    device = "cuda" if ctranslate2.get_cuda_device_count() else "cpu"
    # All cores for one batch, or a batch for each core.
    translators = {
        inter_threads: ctranslate2.Translator(
            convert(folder, work),
            device=device,
            compute_type=precision,
            inter_threads=inter_threads,
            intra_threads=max(1, cores() // inter_threads),
        )
        for inter_threads in sorted({1, cores()})
    }
    ways = [(*batch, inter_threads) for inter_threads in translators for batch in CT2_BATCHES]
    backend = tokenizer.backend_tokenizer

    def translate(texts: list[str], way: tuple[str, int, int]) -> list[str]:
        batch_type, batch_size, inter_threads = way
        rows = [tokenizer.convert_ids_to_tokens(ids) for ids, _ in encode(tokenizer, texts, AING.max_length)]
        results = translators[inter_threads].translate_batch(
            rows,
            batch_type=batch_type,
            max_batch_size=batch_size,
            beam_size=AING.decoding["num_beams"],
            length_penalty=AING.decoding["length_penalty"],
            max_decoding_length=AING.max_length,
        )
        return backend.decode_batch([tokenizer.convert_tokens_to_ids(one.hypotheses[0]) for one in results])

    for way in ways:
        translate(sources[:32], way)
    best = fastest(translate, sources, ways)
    batch = f"{best[1]} {best[0]}, {best[2]} at a time"
    serve(channel, lambda texts: translate(texts, best), tokenizer, sources, batch)
