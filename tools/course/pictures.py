"""The course's pictures: drawn from code, from published figures and from kept curves, the same on every run."""

from collections.abc import Callable

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from transformers import get_scheduler

from league.data.batches import pad
from league.report.drawing import SHADES, as_png
from league.report.look import LIGHT
from league.tasks import rouge
from league.tasks.baselines import sentences_of
from league.tasks.task import task_of
from league_config import AING, DEMO, DEMO_SUMMARIES, SCHEDULES, FinetuneHP
from modeling import train_tokenizer
from tools.course.measure import DOCS, curves, measured

IMAGES = DOCS / "course" / "images"
SENTENCE = "Ein Hund läuft durch den Schnee."
COLORS = (LIGHT["pretrain"], LIGHT["finetune"], LIGHT["best"], LIGHT["muted"])
STYLES = ("-", "--", "-.", ":")


def draw_tokens(figure: Figure) -> None:
    """Draw the sentence in tokens, a row for each size of vocabulary."""
    train = task_of(DEMO).load_split(DEMO.pretrain.corpus, "train", None)
    sizes = (300, 500, 1000, 2000)
    axes = figure.add_subplot()
    axes.set_axis_off()
    for row, size in enumerate(sizes):
        tokenizer = train_tokenizer([*train.sources, *train.targets], size, DEMO.max_length)
        ids = tokenizer(SENTENCE)["input_ids"]
        axes.text(-0.3, row, f"{size:,}", ha="right", va="center", color=LIGHT["muted"])
        place = 0.0
        for token in ids:
            text = tokenizer.decode([token]).replace("�", "?") or "·"
            width = 0.35 + 0.24 * len(text)
            look = {"facecolor": LIGHT["paper"], "edgecolor": LIGHT["pretrain"], "linewidth": 1}
            axes.add_patch(Rectangle((place, row - 0.32), width, 0.64, **look))
            axes.text(place + width / 2, row, text, ha="center", va="center")
            place += width + 0.1
        axes.text(place + 0.2, row, f"{len(ids)} tokens", va="center", color=LIGHT["muted"])
    axes.set_xlim(-1.5, 21)
    axes.set_ylim(len(sizes) - 0.4, -0.6)
    axes.set_title("Vocabulary, and the sentence in its tokens")


def draw_attention(figure: Figure) -> None:
    """Draw what the decoder looks at, and the two masks."""
    source, target, weights = curves()["demo: attention"]["cross"]
    cross, padding, causal = figure.subplots(1, 3, width_ratios=(4, 3, 3))
    cross.imshow(weights, cmap=SHADES, vmin=0, aspect="auto")
    cross.set_xticks(range(len(source)), source, rotation=60, ha="right", rotation_mode="anchor")
    cross.set_yticks(range(len(target)), target)
    cross.set(title="Attention, decoder to source", xlabel="looks at", ylabel="writes")
    tokenizer = task_of(DEMO).train_tokenizer(task_of(DEMO).load_split(DEMO.pretrain.corpus, "train", None))
    batch = pad([tokenizer(text)["input_ids"] for text in (SENTENCE, "Zwei Kinder spielen.")], tokenizer.pad_token_id)
    padding.imshow((batch != tokenizer.pad_token_id).numpy(), cmap=SHADES, vmin=0, vmax=1.4)
    padding.set_yticks((0, 1), ("1", "2"))
    padding.set(title="Padding mask of a batch", xlabel="source position", ylabel="sentence")
    causal.imshow(np.tri(12), cmap=SHADES, vmin=0, vmax=1.4)
    causal.set(title="Causal mask", xlabel="may look at position", ylabel="position")
    for axes in (cross, padding, causal):
        axes.grid(visible=False)


def draw_schedules(figure: Figure) -> None:
    """Draw the schedules of the fine-tune at its start values, and that of stage A."""
    finetune, pretrain = figure.subplots(1, 2)
    hp, steps = FinetuneHP(), AING.finetune.arguments["max_steps"]
    for name, color, style in zip(SCHEDULES, COLORS, STYLES, strict=True):
        rates = rates_of(name, hp.learning_rate, hp.warmup_steps, steps)
        finetune.plot(rates, color=color, linestyle=style, label=name)
    finetune.set(title="Stage B: yours to choose", xlabel="step", ylabel="learning rate")
    finetune.legend()
    fixed = AING.pretrain.arguments
    settings = (fixed["lr_scheduler_type"], fixed["learning_rate"], fixed["warmup_steps"], fixed["max_steps"])
    pretrain.plot(rates_of(*settings, fixed["lr_scheduler_kwargs"]), color=LIGHT["pretrain"])
    pretrain.set(title="Stage A: fixed", xlabel="step")


def rates_of(name: str, peak: float, warmup: float, steps: int, more: dict | None = None) -> list[float]:
    """Return the learning rate at each step, by the library's own schedule."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=peak)
    schedule = get_scheduler(name, optimizer, int(warmup), steps, scheduler_specific_kwargs=more)
    rates = []
    for _ in range(steps):
        rates.append(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()
    return rates


def draw_fitting(figure: Figure) -> None:
    """Draw the loss in training and on validation, of three models."""
    kept = curves()["demo: over- and underfitting"]
    titles = ("Overfitting: {}", "Good: {}", "Underfitting: {}")
    parts = figure.subplots(1, len(kept), sharey=True)
    for axes, title, (name, lines) in zip(parts, titles, kept.items(), strict=True):
        for (kind, (steps, losses)), color, style in zip(lines.items(), COLORS, STYLES, strict=False):
            axes.plot(steps, losses, color=color, linestyle=style, label=kind)
        axes.set(title=title.format(name.rpartition(", ")[2]), xlabel="step")
    parts[0].set_ylabel("loss")
    parts[0].legend()


def draw_forgetting(figure: Figure) -> None:
    """Draw both domains after stage A and after fine-tunes at three rates."""
    figures = {name: measured()[f"demo: {name}"]["figures"] for name in ("1e-5", "start values", "1e-3")}
    for axes, domain, color in zip(figure.subplots(1, 2), ("captions", "talks"), COLORS, strict=False):
        values = {"stage A": figures["start values"][f"{domain} after pretrain"]}
        for name, after in figures.items():
            values[name.replace("start values", "1e-4")] = after[f"{domain} after finetune"]
        bars(axes, values, color)
        axes.set(title=domain, xlabel="after stage A, and after a fine-tune at this rate")
    figure.axes[0].set_ylabel("validation BLEU")


def draw_decoding(figure: Figure) -> None:
    """Draw the score by way of decoding."""
    kept = measured()["demo: decoding"]["figures"]
    figures = {name.replace("(s)", "s").replace("1 beams", "greedy"): value for name, value in kept.items()}
    axes = figure.add_subplot()
    bars(axes, figures, LIGHT["muted"])
    axes.set(title="Stage A of the demo league's start values", ylabel="validation BLEU on captions")


def draw_knobs(figure: Figure) -> None:
    """Draw what each structure made of the captions, from best to worst."""
    kept = measured()
    own = {name: kept[f"demo: {name}"]["figures"]["captions after pretrain"] for name in STRUCTURES}
    own = dict(sorted(own.items(), key=lambda item: item[1]))
    axes = figure.add_subplot()
    for row, (name, value) in enumerate(own.items()):
        color = LIGHT["finetune"] if name == "start values" else LIGHT["faint"]
        axes.barh(row, value, 0.66, facecolor=color, edgecolor=LIGHT["ink"], linewidth=0.8)
        axes.text(value + 1, row, f"{value:.2f}", va="center")
    axes.set_yticks(range(len(own)), own)
    axes.grid(axis="y", visible=False)
    axes.set(xlabel="validation BLEU on captions after stage A", xlim=(0, 100))


STRUCTURES = ("start values", "d_model 64", "d_model 256", "nhead 8", "num_layers 1", "num_layers 4", "d_ff 1024")
STRUCTURES += ("dropout 0.0", "dropout 0.3")


def draw_search(figure: Figure) -> None:
    """Draw nine runs on a grid and nine random ones: of the knob that matters, nine values in place of three."""
    grid = np.array([(x, y) for x in (0.2, 0.5, 0.8) for y in (0.2, 0.5, 0.8)])
    lot = np.random.default_rng(5).random((9, 2)) * 0.9 + 0.05
    across = np.linspace(0, 1, 200)
    for axes, points, title in zip(figure.subplots(1, 2), (grid, lot), ("Grid", "Random"), strict=True):
        quality = 0.25 * np.exp(-(((across - 0.64) / 0.1) ** 2))
        axes.fill_between(across, 1.05, 1.05 + quality, color=LIGHT["faint"])
        axes.plot(*points.T, "o", color=LIGHT["pretrain"])
        axes.vlines(np.unique(points[:, 0]), points[:, 1].min(), 1.05, color=LIGHT["rule"], linewidth=0.8)
        num_values = len(np.unique(points[:, 0].round(6)))
        axes.set(title=f"{title}: {num_values} values of the knob that matters", xlabel="knob that matters")
        axes.set(xticks=[], yticks=[], ylabel="knob that does not", xlim=(0, 1), ylim=(0, 1.35))
        axes.grid(visible=False)


def draw_readers(figure: Figure) -> None:
    """Draw the accuracy of a reader with pre-training, with a frozen encoder, and without pre-training."""
    names = {"1e-3, without pre-training": "no pre-training", "1e-3, frozen": "encoder frozen", "1e-3": "both stages"}
    axes = figure.add_subplot()
    scores = {label: measured()[f"demo-readers: {name}"]["figures"]["score"] for name, label in names.items()}
    bars(axes, {"a guess": 20.0} | scores, LIGHT["finetune"])
    axes.set(title="demo-readers: which of five scenes is going on?", ylabel="test accuracy", ylim=(0, 110))


def draw_summaries(figure: Figure) -> None:
    """Draw the ROUGE-L of the first and of the last lines of a dialogue, by their number."""
    task = task_of(DEMO_SUMMARIES)
    split = task.load_split(DEMO_SUMMARIES.finetune.corpus, "validation", None)
    dialogues, counts = [sentences_of(text) for text in task.inputs(split)], range(1, 9)
    parts = {"first lines": [slice(count) for count in counts], "last lines": [slice(-count, None) for count in counts]}
    axes = figure.add_subplot()
    for (label, cuts), color, style in zip(parts.items(), COLORS, STYLES, strict=False):
        copies = [["\n".join(lines[cut]) for lines in dialogues] for cut in cuts]
        scores = [rouge.value(rouge.statistics(copy, task.references(split)).sum(0)) for copy in copies]
        axes.plot(counts, scores, "o" + style, color=color, label=label)
    axes.set(title="demo-summaries, copied lines", xlabel="number of lines", ylabel="validation ROUGE-L", ylim=(0, 45))
    axes.legend(loc="lower right")


SPANS = {"pretrain": (1, 9), "finetune": (2, 7.5)}  # of losses, the same for what is to be compared


def draw_symptoms(figure: Figure) -> None:
    """Draw learning curves of real runs, healthy and not, for the guide."""
    shown = {
        "Healthy: falls, flattens low": ("demo: start values", "pretrain"),
        "Too small: flattens high": ("demo: d_model 64", "pretrain"),
        "Stage B at 1e-5: hardly moves": ("demo: 1e-5", "finetune"),
        "Stage B at 1e-3: forgets captions": ("demo: 1e-3", "finetune"),
    }
    kept = curves()
    for axes, (title, (name, stage)) in zip(figure.subplots(1, 4), shown.items(), strict=True):
        steps, losses = kept[name][stage]
        axes.plot(steps, losses, color=LIGHT[stage])
        axes.set(title=title, xlabel=f"step ({name})", ylim=SPANS[stage])
    figure.axes[0].set_ylabel("training loss")


def bars(axes: Axes, values: dict[str, float], color: str) -> None:
    """Draw a bar for each value, with the value on it."""
    for place, value in enumerate(values.values()):
        axes.bar(place, value, 0.62, facecolor=LIGHT["card"], edgecolor=color, linewidth=1.4)
        axes.annotate(f"{value:.2f}", (place, value), (0, 3), textcoords="offset points", ha="center")
    axes.set_xticks(range(len(values)), values)
    axes.grid(axis="x", visible=False)
    axes.margins(y=0.14)


# Each picture: its size in inches, and how it is drawn.
PICTURES: dict[str, tuple[tuple[float, float], Callable[[Figure], None]]] = {
    "tokens": ((8.4, 2.2), draw_tokens),
    "attention": ((9.0, 3.2), draw_attention),
    "schedules": ((8.0, 2.8), draw_schedules),
    "fitting": ((9.0, 2.8), draw_fitting),
    "forgetting": ((8.0, 2.8), draw_forgetting),
    "decoding": ((8.4, 2.8), draw_decoding),
    "knobs": ((7.0, 3.0), draw_knobs),
    "search": ((8.0, 3.2), draw_search),
    "symptoms": ((12.0, 2.6), draw_symptoms),
    "summaries": ((6.4, 2.8), draw_summaries),
    "readers": ((6.4, 2.8), draw_readers),
}


def draw(name: str) -> bytes:
    size, draw_on = PICTURES[name]
    return as_png(size, draw_on)
