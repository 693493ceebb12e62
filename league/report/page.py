"""The page of an entry's report. All of the record and of the predictions is text that anyone may have written."""

from collections.abc import Iterable
from dataclasses import fields
from itertools import groupby
from operator import itemgetter
from typing import Any

from league.record.game import game_of
from league.record.wording import in_words, listed, short
from league.report import attention, baselines
from league.report.advice import advice
from league.report.drawing import as_svg
from league.report.facts import Facts
from league.report.look import render
from league.report.pictures import PICTURES, marks_of, number, signed
from league.report.sentences import Sentences, Word, as_text, difference
from league.report.texts import Text, joined, say, say_stage, translated
from league.rulebook import STAGES
from league.values import readable

MOST_RULES = 30  # that are shown
NUM_SHOWN = {"best": 6, "middle": 6, "worst": 8}
MOST_LETTERS = 700  # of a shown text


def entry_page(facts: Facts, links: dict[str, str] | None = None) -> str:
    """Return the whole page; `links` are addresses of other pages, by what they show."""
    return render(
        "league/report/templates/entry.html",
        title=say("report.title", entry=facts.name),
        facts=facts,
        links=links or {},
        setting=setting(facts),
        numbers=first_numbers(facts),
        notices=notices(facts),
        advice=advice(facts),
        broken=broken_rules(facts),
        pictures=panels(facts),
        marks=marks_of(facts),
        values=tuned_values(facts),
        sections={name: values(facts) for name, values in SECTIONS.items() if name in facts.parts},
    )


def setting(facts: Facts) -> list[str]:
    """Say what was played, and on what."""
    record = facts.record
    words = [say("setting.league", league=record.league.name, version=short(record.league.version))]
    if game := game_of(record):
        words.append(say("setting.game", game=game.name, entries=game.entries, openings=game.test_openings))
    else:
        words.append(say("setting.practice"))
    if "seed" in record.asked:
        words.append(say("setting.seed", seed=record.asked["seed"]))
    for stage in list(facts.stages.values())[-1:]:
        words.append(say("setting.device", precision=short(stage.precision), device=short(stage.device)))
        size = stage.effective.get("num_parameters")
        if isinstance(size, int) and not isinstance(size, bool):
            words.append(say("setting.parameters", millions=number(size / 1e6)))
    for name, value in (facts.score.extras if facts.score else {}).items():
        if isinstance(value, float) and " " not in name:  # those of a part, a label, say, stand in their own place
            words.append(f"{name.replace('_', ' ')}: {number(value)}")
    words.append(say("setting.trials", trials=short(record.trials)))
    if record.workers:
        words.append(say("setting.workers", workers=short(listed(record.workers))))
    return [*words, say("setting.openings", openings=short(record.test_openings))]


def first_numbers(facts: Facts) -> Iterable[tuple[str, str]]:
    """Return the few numbers that one looks for first."""
    record, score = facts.record, facts.score
    if score:
        low, high = score.interval
        yield number(score.value), say("number.test", metric=facts.metric, low=number(low), high=number(high))
        state = "open" if facts.broken else "official"
        yield say(f"state.{state}"), say(f"number.{state}")
    for domain, change in facts.changes.items():
        key = "noise" if facts.is_noise(change) else "gained" if change >= 0 else "forgotten"
        yield signed(change), say(f"number.{key}", metric=facts.metric, domain=domain)
    if facts.reading and (scratch := facts.reading.from_scratch) is not None:  # of a scored entry alone
        words = say("number.pretraining", metric=facts.metric, scratch=number(scratch))
        yield signed(score.value - scratch), words
    yield number(sum(facts.spent.values())), say("number.minutes", limit=f"{record.clock.limit:g}")
    if game := game_of(record):
        yield number(game.minutes), say("number.game", limit=f"{record.clock.limit:g}", game=game.name)


def notices(facts: Facts) -> Iterable[str]:
    """Say how far the entry is, and what happened to it."""
    record = facts.record
    if diverged := record.diverged:
        loss = say("loss.nan") if diverged.loss is None else say("loss.was", loss=number(diverged.loss))
        yield say("notice.diverged", stage=say_stage(diverged.stage), step=short(diverged.step), loss=loss)
    elif under_way := facts.under_way:
        names = {"stage": say_stage(under_way.stage), "step": f"{under_way.step:,}", "most": f"{under_way.max_steps:,}"}
        yield say("notice.stopped", **names)
    elif not facts.stages:
        yield say("notice.nothing")
    elif "finetune" not in facts.stages:
        yield say("notice.stage_a")
    elif not facts.score:
        yield say("notice.no_score")
    for name, stage in facts.stages.items():
        if stage.out_of_time:
            yield say("notice.cut", stage=say_stage(name), steps=short(stage.steps))
    yield from taken_over(facts)
    if facts.score and facts.sentences and abs(facts.sentences.value - facts.score.value) >= 0.005:
        yield say(
            "notice.other_score",
            predictions=facts.predictions,
            metric=facts.metric,
            found=number(facts.sentences.value),
            recorded=number(facts.score.value),
        )


def taken_over(facts: Facts) -> Iterable[Text]:
    """Say which stages came from elsewhere, in one sentence for each place."""
    reused = {name: stage for name, stage in facts.stages.items() if stage.reused}
    own = [say_stage(name) for name, stage in reused.items() if stage.from_search]
    others = [say_stage(name) for name, stage in reused.items() if not stage.from_search]
    if own:
        yield say("notice.from_search", stages=joined(own, " + "))
    if others:
        # Older records do not tell a trial of the own search from another entry.
        key = "notice.from_somewhere" if facts.record.trials and len(others) == 2 else "notice.from_entry"
        yield say(key, stages=joined(others, " + "))


def broken_rules(facts: Facts) -> list[str]:
    """Return the broken rules in words."""
    kinds = [list(kind) for _, kind in groupby(facts.broken, lambda broken: broken.rule.partition(" at step ")[0])]
    words = []
    for first, *others in kinds[:MOST_RULES]:
        words.append(translated(in_words(first)))
        if others:  # a schedule is broken at each of its steps
            words[-1] = joined([words[-1], say("rules.steps", n=len(others))], " ")
    more = len(kinds) - len(words)
    return [*words, say("rules.more", more=f"{more:,}")] if more else words


def panels(facts: Facts) -> Iterable[tuple]:
    """Return the pictures of the run, each with what to see there."""
    for picture in PICTURES.values():
        if picture.words and picture.has_something(facts):
            words, title = picture.about(facts), say(f"picture.{picture.name}")
            label = joined([title, words], ". ")
            yield picture, title, words, as_svg(picture.name, label, picture.size, picture.draw, facts)


def tuned_values(facts: Facts) -> list[tuple[str, str, str, bool]]:
    """Return the tuned values as asked for, the start values, and whether they differ."""
    asked = facts.record.asked
    if facts.rules:
        starts = {item.name: item.default for stage in STAGES for item in fields(facts.rules.tuned(stage))}
    else:
        starts = dict.fromkeys(facts.record.tuned)
    return [
        (name, plain_value(asked.get(name)), plain_value(start), asked.get(name) not in (None, start))
        for name, start in starts.items()
    ]


def plain_value(value: Any) -> str:
    if value is None:
        return "–"
    text = readable(value)
    return text if len(text) <= 24 else text[:23] + "…"


def examples(facts: Facts) -> dict[str, list[dict]]:
    """Return the best, some middling and the worst predictions, with what differs from the reference."""
    sentences, seen, groups = facts.sentences, set(), {}
    if sentences is None:
        return groups
    ranked = sentences.ranked()
    middle = max(0, len(ranked) // 2 - NUM_SHOWN["middle"] // 2)
    places = {
        "best": ranked[: NUM_SHOWN["best"]],
        "middle": ranked[middle : middle + NUM_SHOWN["middle"]],
        "worst": ranked[: -NUM_SHOWN["worst"] - 1 : -1],
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
    "mistakes": lambda facts: facts.reading,
    "attention": lambda facts: attention.data(facts.attention),
}
