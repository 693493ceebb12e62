"""The page of an entry's report. All of the record and of the predictions is text that anyone may have written."""

from collections.abc import Iterable
from dataclasses import fields
from itertools import groupby
from operator import itemgetter
from typing import Any

from league.record.wording import in_words, short
from league.report import attention, baselines
from league.report.drawing import as_svg
from league.report.facts import STAGES, Facts
from league.report.look import render
from league.report.pictures import PICTURES, number, signed
from league.report.sentences import Sentences, Word, as_text, difference

MOST_RULES = 30  # that are shown
NUM_SHOWN = {"Best": 6, "In the middle": 6, "Worst": 8}
MOST_LETTERS = 700  # of a shown text


def entry_page(facts: Facts) -> str:
    """Return the whole page."""
    return render(
        "league/report/templates/entry.html",
        title=f"Entry {facts.name}",
        facts=facts,
        setting=setting(facts),
        numbers=first_numbers(facts),
        notices=notices(facts),
        broken=broken_rules(facts),
        pictures=panels(facts),
        values=tuned_values(facts),
        sections={name: values(facts) for name, values in SECTIONS.items() if name in facts.parts},
    )


def setting(facts: Facts) -> list[str]:
    """Say what was played, and on what."""
    record = facts.record
    words = [f"League {record.league.name}, version {short(record.league.version)}"]
    if "seed" in record.asked:
        words.append(f"seed {record.asked['seed']}")
    for stage in list(facts.stages.values())[-1:]:
        words.append(f"{short(stage.precision)} on {short(stage.device)}")
        size = stage.effective.get("num_parameters")
        if isinstance(size, int) and not isinstance(size, bool):
            words.append(f"{number(size / 1e6)}M parameters")
    if facts.score and isinstance(chrf := facts.score.extras.get("chrf"), float):
        words.append(f"chrF {number(chrf)}")
    words.append(f"trials of a search: {short(record.trials)}")
    return [*words, f"openings of the test set: {short(record.test_openings)}"]


def first_numbers(facts: Facts) -> Iterable[tuple[str, str]]:
    """Return the few numbers that one looks for first."""
    record, score = facts.record, facts.score
    if score:
        low, high = score.interval
        yield number(score.value), f"test {facts.metric} (95 % interval {number(low)} to {number(high)})"
        yield ("open", "not ranked") if facts.broken else ("official", "breaks no rule")
    if len(facts.stages) == 2 and facts.compares_stages:
        for domain in facts.domains:
            change = facts.change(domain)
            words = "gained by the fine-tune" if change >= 0 else "forgotten by the fine-tune"
            yield signed(change), f"validation {facts.metric} on {domain}, {words}"
    yield number(sum(facts.spent.values())), f"of {record.clock.limit:g} minutes used"


def notices(facts: Facts) -> Iterable[str]:
    """Say how far the entry is, and what happened to it."""
    record = facts.record
    if diverged := record.diverged:
        loss = "was not a number" if diverged.loss is None else f"was {number(diverged.loss)}"
        yield f"The stage {diverged.stage} diverged: at step {short(diverged.step)} its loss {loss}."
    elif not facts.stages:
        yield "No stage is complete yet: train_pretrain.py comes first."
    elif "finetune" not in facts.stages:
        yield "Only stage A is complete: train_finetune.py comes next."
    elif not facts.score:
        yield "There is no score yet: evaluate_bleu.py gives it one."
    for name, stage in facts.stages.items():
        if stage.out_of_time:
            yield f"The clock cut {name} off after {short(stage.steps)} steps."
        if stage.reused:
            yield f"The stage {name} was taken over from another entry, for the time that it cost there."
    if facts.score and facts.sentences and abs(facts.sentences.value - facts.score.value) >= 0.005:
        yield (
            f"The {facts.predictions} come to a {facts.metric} of {number(facts.sentences.value)} on this test set, "
            f"the record says {number(facts.score.value)}."
        )


def broken_rules(facts: Facts) -> list[str]:
    """Return the broken rules in words."""
    words = [in_words(broken) for broken in facts.broken[:MOST_RULES]]
    more = len(facts.broken) - len(words)
    return [*words, f"And {more:,} more."] if more else words


def panels(facts: Facts) -> Iterable[tuple]:
    """Return the pictures of the run, each with what to see there."""
    for picture in PICTURES.values():
        if picture.words and picture.name in facts.parts:
            words = picture.about(facts)
            label = f"{picture.title}. {words}"
            yield picture, words, as_svg(picture.name, label, picture.size, picture.draw, facts)


def tuned_values(facts: Facts) -> list[tuple[str, str, str, bool]]:
    """Return the tuned values as asked for, the start values, and whether they differ."""
    asked = facts.record.asked
    if facts.rules:
        starts = {item.name: item.default for stage in STAGES for item in fields(facts.rules.tuned(stage))}
    else:
        starts = {name: None for name in asked if name not in ("league", "seed")}
    return [
        (name, plain_value(asked.get(name)), plain_value(start), asked.get(name) not in (None, start))
        for name, start in starts.items()
    ]


def plain_value(value: Any) -> str:
    if value is None:
        return "–"
    text = f"{value:g}" if isinstance(value, (int, float)) else str(value)
    return text if len(text) <= 24 else text[:23] + "…"


def examples(facts: Facts) -> dict[str, list[dict]]:
    """Return the best, some middling and the worst predictions, with what differs from the reference."""
    sentences, seen, groups = facts.sentences, set(), {}
    if sentences is None:
        return groups
    ranked = sentences.ranked()
    middle = max(0, len(ranked) // 2 - NUM_SHOWN["In the middle"] // 2)
    places = {
        "Best": ranked[: NUM_SHOWN["Best"]],
        "In the middle": ranked[middle : middle + NUM_SHOWN["In the middle"]],
        "Worst": ranked[: -NUM_SHOWN["Worst"] - 1 : -1],
    }
    for title, chosen in places.items():
        groups[title] = [pair(sentences, i) for i in chosen if i not in seen]
        seen |= set(chosen)
    return groups


def pair(sentences: Sentences, i: int) -> dict[str, Any]:
    """Return one prediction beside its source and reference."""
    hypothesis, reference = difference(cut(sentences.hypotheses[i]), cut(as_text(sentences.references[i])))
    source = cut(sentences.sources[i])
    sides = {"source": source, "reference": runs(reference), "hypothesis": runs(hypothesis)}
    return {"line": i + 1, "score": sentences.scores[i], **sides}


def runs(words: list[Word]) -> list[tuple[str, bool]]:
    """Join the words in a row that the other text has, or lacks."""
    return [(" ".join(word for word, _ in run), is_lacking) for is_lacking, run in groupby(words, itemgetter(1))]


def cut(text: str) -> str:
    return text if len(text) <= MOST_LETTERS else text[: MOST_LETTERS - 1] + "…"


# The sections below the pictures, each a template of that name, with what it is given as `part`.
SECTIONS = {
    "baselines": lambda facts: baselines.lines(facts.sentences),
    "examples": examples,
    "attention": lambda facts: attention.data(facts.attention),
}
