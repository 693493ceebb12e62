"""Part `readers`: masked training and labelling, ours beside the library's BERT of the same size."""

import time
from dataclasses import replace
from typing import Any

from benchmarks import training
from benchmarks.setting import Bench, read_test
from benchmarks.shared import alternate, arms, rates, ratios, spread
from league.rulebook import Corpus, League, Mixture, Part
from league_config import AING, LEAGUES, TWEETS

OURS, BERT = "ours", "bert"
LEARNING_RATE = 5e-4


def measure(bench: Bench) -> dict[str, Any]:
    options = bench.options
    shared = {"structure": options.structure, "data_dir": str(bench.data_dir)}
    steps = options.warm_up + (options.rounds + 1) * options.steps
    masked = {f"{OURS}-masked": ("readers.ours", shared), f"{BERT}-masked": ("readers.bert", shared | {"steps": steps})}
    with arms("masked training", bench.folder, masked, steps=options.warm_up) as workers:
        answers = alternate(workers, options.rounds, steps=options.steps)
    rows = [training.row(name, answers[name], answers[f"{BERT}-masked"]) for name in masked]
    asked = shared | {"sentences": options.sentences}
    labelling = {f"{name}-labels": (f"readers.{name}_labels", asked) for name in (OURS, BERT)}
    with arms("labelling", bench.folder, labelling, again=1) as workers:
        answers = alternate(workers, options.rounds, again=1)
    speeds = {name: rates(answers[name], "sentences") for name in labelling}
    for name, values in speeds.items():
        ratio = ratios(values, speeds[f"{BERT}-labels"])
        rows.append({"arm": name, "sentences/s": spread(values), "ratio of sentences/s": ratio})
    notes = ["English captions, batch 64; BertForMaskedLM under Trainer's defaults, its own collator"]
    notes.append(f"labels: {options.sentences} sentences, tokenizing included, batches of 100; random weights")
    return {"notes": notes, "baseline": BERT, "rows": rows}


def bench_readers() -> League:
    """Return a readers' league whose stage A reads the English captions."""
    captions = AING.pretrain.corpus
    part = Part(captions.name, "en", captions.num_train_pairs, captions.origin)
    corpus = Corpus("captions_en", "captions", captions.num_train_pairs, Mixture((part,)), num_validation_pairs=50)
    return replace(TWEETS, name="bench-readers", pretrain=replace(TWEETS.pretrain, corpus=corpus))


def ours(channel, **shared: Any) -> None:
    """Job: our stage A, step by step."""
    LEAGUES["bench-readers"] = bench_readers()
    training.ours(channel, league="bench-readers", **shared)


def tokenizer_and_texts(data_dir: str) -> tuple[Any, list[str]]:
    from league.tasks.task import task_of

    rules = bench_readers()
    task = task_of(rules, "pretrain")
    split = task.load_split(rules.pretrain.corpus, "train", data_dir)
    return task.train_tokenizer(split), list(task.inputs(split))


def bert_config(tokenizer, structure: dict[str, int], **others: Any):
    from transformers import BertConfig

    return BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=structure["d_model"],
        num_hidden_layers=structure["num_layers"],
        num_attention_heads=structure["nhead"],
        intermediate_size=structure["d_ff"],
        max_position_embeddings=TWEETS.max_length,
        pad_token_id=tokenizer.pad_token_id,
        **others,
    )


def bert(channel, structure: dict[str, int], data_dir: str, steps: int) -> None:
    """Job: the library's masked language model under its own Trainer, step by step."""
    from transformers import BertForMaskedLM, DataCollatorForLanguageModeling, Trainer, TrainingArguments

    from benchmarks import pacer
    from league import hardware

    tokenizer, texts = tokenizer_and_texts(data_dir)
    rows = [{"input_ids": ids} for ids in tokenizer(texts, truncation=True)["input_ids"]]
    args = TrainingArguments(
        per_device_train_batch_size=TWEETS.batch_size,
        max_steps=steps,
        learning_rate=LEARNING_RATE,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        use_cpu=not hardware.has_gpu(),
    )
    pacer.install(channel)
    collator = DataCollatorForLanguageModeling(tokenizer, mlm_probability=TWEETS.pretrain.settings["share"])
    model = BertForMaskedLM(bert_config(tokenizer, structure))
    Trainer(model=model, args=args, train_dataset=rows, data_collator=collator, processing_class=tokenizer).train()


def ours_labels(channel, structure: dict[str, int], data_dir: str, sentences: int) -> None:
    """Job: label sentences with our classifier, as the score does."""
    from league import hardware
    from league.tasks.predicting import predict
    from league.tasks.task import task_of
    from league.values import as_values
    from league_config import ReaderFinetuneHP, ReaderHP

    tokenizer, _ = tokenizer_and_texts(data_dir)
    _, texts = read_test(data_dir, sentences)
    hardware.prepare_process()
    task = task_of(TWEETS)
    values = as_values(ReaderHP()) | as_values(ReaderFinetuneHP()) | structure
    model = task.model_class()(task.config_of(values)).to(hardware.best_device())
    task.prepare(model)
    answer_rounds(channel, texts, lambda: predict(task, model, tokenizer, texts))


def bert_labels(channel, structure: dict[str, int], data_dir: str, sentences: int) -> None:
    """Job: label sentences with the library's classifier, in batches of the same size."""
    import torch
    from transformers import BertForSequenceClassification

    from league import hardware

    hardware.prepare_process()
    tokenizer, _ = tokenizer_and_texts(data_dir)
    _, texts = read_test(data_dir, sentences)
    size, device = TWEETS.decoding["batch_size"], hardware.best_device()
    model = BertForSequenceClassification(bert_config(tokenizer, structure)).eval().to(device)

    @torch.inference_mode()
    def label() -> list[int]:
        labels: list[int] = []
        for first in range(0, len(texts), size):
            batch = tokenizer(texts[first : first + size], padding=True, truncation=True, return_tensors="pt")
            labels += model(**batch.to(device)).logits.argmax(1).tolist()
        return labels

    answer_rounds(channel, texts, label)


def answer_rounds(channel, texts: list[str], label) -> None:
    """Label all texts once for each question, and answer how long it took."""
    label()
    channel.answer(ready=True)
    while channel.wait():
        started = time.perf_counter()
        assert len(label()) == len(texts)
        channel.answer(seconds=time.perf_counter() - started, sentences=len(texts))
