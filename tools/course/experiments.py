"""The course's experiments that are no entries: each prints what it finds, and returns figures and curves of it."""

import numpy as np
from torch.utils.data import Subset
from transformers import PrinterCallback, Seq2SeqTrainer, Seq2SeqTrainingArguments, set_seed

from league.errors import UserError
from league.hardware import has_gpu
from league.record.folder import RUNS
from league.run import loading
from league.tasks.attention import attend
from league.tasks.task import task_of
from league.values import as_values
from league_config import DEMO, ModelHP

SENTENCE = "Ein Hund läuft durch den Schnee."
SIZES = {
    "300 pairs": (300, ModelHP()),
    "10,000 pairs": (10_000, ModelHP()),
    "10,000 pairs, d_model 16": (10_000, ModelHP(d_model=16, nhead=2)),
}
TASK = task_of(DEMO)


def overfitting() -> tuple[dict, dict]:
    """Train on few pairs, on many, and a model that is too small; watch the loss on sentences kept apart."""
    splits = loading.Splits(DEMO, None)
    corpus = DEMO.pretrain.corpus
    tokenizer = TASK.train_tokenizer(splits.load(corpus, "train"))
    train, validation = (
        loading.tokenize(TASK, splits.load(corpus, name), tokenizer) for name in ("train", "validation")
    )
    figures, curves = {}, {}
    for name, (num_pairs, structure) in SIZES.items():
        set_seed(1)
        model = TASK.new_model(as_values(structure), tokenizer)
        TASK.prepare(model)
        history = fit(model, Subset(train, range(num_pairs)), validation)
        curves[name] = {kind: losses(history, key) for kind, key in (("training", "loss"), ("validation", "eval_loss"))}
        seen = curves[name]["validation"][1]
        figures[f"{name}, training"] = curves[name]["training"][1][-1]
        figures |= {f"{name}, validation, lowest": min(seen), f"{name}, validation, end": seen[-1]}
    return printed(figures), curves


def fit(model, train, validation) -> list[dict[str, float]]:
    """Train for 300 steps, with a look at the validation set every 25; return what the Trainer has logged."""
    args = Seq2SeqTrainingArguments(
        output_dir=str(RUNS / ".cache" / "course"),
        max_steps=300,
        per_device_train_batch_size=32,
        per_device_eval_batch_size=100,
        learning_rate=1.5e-3,
        warmup_steps=50,
        lr_scheduler_type="constant_with_warmup",
        logging_steps=25,
        eval_strategy="steps",
        eval_steps=25,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        remove_unused_columns=False,
        use_cpu=not has_gpu(),
        dataloader_pin_memory=has_gpu(),
        seed=1,
    )
    collator = TASK.collator(model, seed=1)
    trainer = Seq2SeqTrainer(model, args, train_dataset=train, eval_dataset=validation, data_collator=collator)
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    return trainer.state.log_history


def losses(history: list[dict[str, float]], key: str) -> list[list[float]]:
    """Return the steps and the values of what was logged under a name."""
    points = [(entry["step"], round(entry[key], 2)) for entry in history if key in entry]
    return [list(part) for part in zip(*points, strict=True)]


def decoding() -> tuple[dict, dict]:
    """Translate the validation captions in several ways, with stage A of the entry `start`."""
    model, tokenizer = stage_a()
    split = TASK.load_split(DEMO.pretrain.corpus, "validation", None)
    config, figures = model.generation_config, {}
    ways = {f"{beams} beam(s)": {"num_beams": beams} for beams in (1, 2, 4, 8)}
    ways |= {f"length penalty {penalty}": {"length_penalty": penalty} for penalty in (0.0, 2.0)}
    ways |= {"sampled": {"num_beams": 1, "do_sample": True}}
    for name, settings in ways.items():
        usual = {key: getattr(config, key) for key in settings}
        config.update(**settings)
        set_seed(1)
        (bleu,) = TASK.validate(model, tokenizer, split).values()
        figures[name] = round(bleu, 2)
        config.update(**usual)
    return printed(figures), {}


def attention() -> tuple[dict, dict]:
    """Keep what the last layer of the entry `start` looks at while it translates a sentence."""
    model, tokenizer = stage_a()
    seen = attend(model, tokenizer, SENTENCE)
    weights = np.round(seen.cross[-1].mean(0), 3).tolist()  # of all heads
    for word, row in zip(seen.target, weights, strict=True):
        print(f"{word:<10} looks at {seen.source[int(np.argmax(row))]}")
    return {}, {"cross": [seen.source, seen.target, weights]}


def stage_a() -> tuple:
    """Return model and tokenizer of the entry `start` after stage A."""
    folder = RUNS / "start" / "pretrain"
    if not folder.is_dir():
        raise UserError(f"{folder} is not there: python train_pretrain.py --league demo --entry start")
    model, tokenizer = TASK.load_checkpoint(folder)
    TASK.prepare(model)
    return model.eval(), tokenizer


def printed(figures: dict[str, float]) -> dict[str, float]:
    for label, value in figures.items():
        print(f"{label:<44}{value:8.2f}")
    return figures
