"""The page of an entry's report. All of the record and of the translations is text that anyone may have written."""

from collections.abc import Iterable
from dataclasses import fields
from html import escape
from typing import Any

from league.record.wording import in_words, short
from league.report.attention import CSS as ATTENTION_CSS
from league.report.attention import attention_part, explanation, script
from league.report.drawing import as_svg
from league.report.facts import Facts
from league.report.look import html_page, panel, tiles
from league.report.pictures import PICTURES, number
from league.report.sentences import Word, difference
from league_config import FinetuneHP, ModelHP

MOST_RULES = 30  # that are shown
NUM_SHOWN = {"Best": 6, "In the middle": 6, "Worst": 8}
MOST_LETTERS = 700  # of a shown text
CSS = """
.pairs { display: grid; gap: 0 2rem; grid-template-columns: repeat(auto-fill, minmax(min(100%, 480px), 1fr)); }
.pair { border-top: 1px solid var(--rule); padding: 0.5rem 0; }
summary { cursor: pointer; padding: 0.4rem 0; }
.pair dl { display: grid; grid-template-columns: auto minmax(0, 1fr); gap: 0.1rem 0.8rem; margin: 0; }
.pair dt { color: var(--muted); font-size: 0.875rem; }
.pair dd { margin: 0; overflow-wrap: anywhere; }
bdi { unicode-bidi: isolate; }
ins, del { text-underline-offset: 3px; }
ins { text-decoration: underline 2px; font-weight: 700; }
del { text-decoration: underline dotted 2px; font-style: italic; }
.notice { border-left: 4px solid var(--faint); padding-left: 0.8rem; }
.values td, .values thead th { white-space: normal; overflow-wrap: anywhere; }
td.changed { font-weight: 700; }
"""


def entry_page(facts: Facts) -> str:
    """Return the whole page."""
    parts = [
        f"<h1>Entry {escape(facts.name)}</h1>",
        f'<p class="quiet">{"; ".join(map(isolated, setting(facts)))}</p>',
        tiles(first_numbers(facts)),
        *(f'<p class="notice">{escape(words)}</p>' for words in notices(facts)),
        *verdict(facts),
        "<h2>The run</h2>",
        f'<div class="panels">{"".join(panels(facts))}</div>',
        "<h2>Translations</h2>",
        *translations(facts),
        "<h2>Attention</h2>",
        *attention(facts),
    ]
    has_attention = bool(facts.attention)
    return html_page(
        f"Entry {facts.name}", parts, CSS + ATTENTION_CSS * has_attention, script() if has_attention else ""
    )


def setting(facts: Facts) -> list[str]:
    """Say what was played, and on what."""
    record = facts.record
    told = [f"League {record.league.name}, version {short(record.league.version)}"]
    if "seed" in record.asked:
        told.append(f"seed {record.asked['seed']}")
    for stage in list(facts.stages.values())[-1:]:
        told.append(f"{short(stage.precision)} on {short(stage.device)}")
        size = stage.effective.get("num_parameters")
        if isinstance(size, int) and not isinstance(size, bool):
            told.append(f"{number(size / 1e6)}M parameters")
    if facts.score and isinstance(chrf := facts.score.extras.get("chrf"), float):
        told.append(f"chrF {number(chrf)}")
    told.append(f"trials of a search: {short(record.trials)}")
    return [*told, f"openings of the test set: {short(record.test_openings)}"]


def first_numbers(facts: Facts) -> Iterable[tuple[str, str]]:
    """Return the few numbers that one looks for first."""
    record, score = facts.record, facts.score
    if score:
        low, high = score.interval
        yield number(score.value), f"test BLEU (95 % interval {number(low)} to {number(high)})"
        yield ("open", "not ranked") if facts.broken else ("official", "breaks no rule")
    if len(facts.stages) == 2:
        for domain in facts.domains:
            _, before, after = facts.validation(domain)
            change = after - before
            words = "gained by the fine-tune" if change >= 0 else "forgotten by the fine-tune"
            yield f"{'+' if change >= 0 else '−'}{number(abs(change))}", f"validation BLEU on {domain}, {words}"
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
    if facts.score and facts.sentences and abs(facts.sentences.bleu - facts.score.value) >= 0.005:
        yield (
            f"The translations come to a BLEU of {number(facts.sentences.bleu)} on this test set, "
            f"the record says {number(facts.score.value)}."
        )


def verdict(facts: Facts) -> Iterable[str]:
    """Return the broken rules in words."""
    if not facts.broken:
        return
    told = [in_words(broken) for broken in facts.broken[:MOST_RULES]]
    if more := len(facts.broken) - len(told):
        told.append(f"And {more:,} more.")
    yield "<h2>Why it is open</h2>" if facts.score else "<h2>Rules broken so far</h2>"
    yield f"<ul>{''.join(f'<li>{isolated(words)}</li>' for words in told)}</ul>"


def panels(facts: Facts) -> Iterable[str]:
    """Return the pictures of the run, and the ten values."""
    words = {
        "learning": "Means over stretches of steps. The stages read other data, and may smooth their labels "
        "differently: their losses do not compare.",
        "forgetting": forgetting_words(facts),
        "length": "With 95 % intervals over the sentences." if facts.sentences else "",
        "clock": "Training, search and scoring count; installing, downloading and tokenizing do not.",
    }
    for name, text in words.items():
        picture = PICTURES[name]
        label = f"{picture.title}. {text}"
        svg = as_svg(name, label, picture.size, picture.draw, facts)
        yield panel(picture.title, text, svg, kind="panel tall" if name == "learning" else "panel")
    yield values_panel(facts)


def forgetting_words(facts: Facts) -> str:
    """Say what the fine-tune gained and forgot."""
    if len(facts.stages) < 2:
        return "Each domain has a scale of its own." if facts.stages else ""
    told = []
    for domain in facts.domains:
        _, before, after = facts.validation(domain)
        change = after - before
        told.append(f"{domain}: {'+' if change >= 0 else '−'}{number(abs(change))}")
    return f"By the fine-tune {', '.join(told)} BLEU. Each domain has a scale of its own."


def values_panel(facts: Facts) -> str:
    """Return the ten values as asked for, beside the start values."""
    asked, rows = facts.record.asked, []
    for item in (*fields(ModelHP), *fields(FinetuneHP)):
        value = asked.get(item.name)
        told = "–" if value is None else plain_value(value)
        changed = ' class="changed"' if value not in (None, item.default) else ""
        rows.append(
            f'<tr><th scope="row" class="words">{item.name}</th><td{changed}>{escape(told)}</td>'
            f"<td>{escape(plain_value(item.default))}</td></tr>"
        )
    head = '<th scope="col" class="words">value</th><th scope="col">this entry</th><th scope="col">at the start</th>'
    return (
        '<div class="panel"><h3>The ten values</h3>'
        f'<table class="values"><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'
    )


def plain_value(value: Any) -> str:
    text = f"{value:g}" if isinstance(value, (int, float)) else str(value)
    return text if len(text) <= 24 else text[:23] + "…"


def translations(facts: Facts) -> Iterable[str]:
    """Return the best, some middling and the worst translations, with what differs from the reference."""
    sentences = facts.sentences
    if sentences is None:
        yield f"<p>{isolated(facts.missing['sentences'])}</p>"
        return
    yield (
        "<p>By sentence BLEU. <ins>Bold, underlined</ins>: the reference has no such word there. "
        "<del>Slanted, dotted</del>: the translation lacks this word of the reference.</p>"
    )
    ranked, places = sentences.ranked(), {}
    middle = max(0, len(ranked) // 2 - NUM_SHOWN["In the middle"] // 2)
    places["Best"] = ranked[: NUM_SHOWN["Best"]]
    places["In the middle"] = ranked[middle : middle + NUM_SHOWN["In the middle"]]
    places["Worst"] = ranked[: -NUM_SHOWN["Worst"] - 1 : -1]
    seen: set[int] = set()
    for title, chosen in places.items():
        pairs = [pair(sentences, i) for i in chosen if i not in seen]
        seen |= set(chosen)
        if pairs:
            inner = f'<summary><b>{title}</b> ({len(pairs)})</summary><div class="pairs">{"".join(pairs)}</div>'
            yield f"<details open>{inner}</details>"


def pair(sentences, i: int) -> str:
    """Return one translation beside its source and reference."""
    hypothesis, reference = difference(cut(sentences.hypotheses[i]), cut(sentences.references[i]))
    return (
        f'<div class="pair"><p class="quiet">line {i + 1}, BLEU {sentences.scores[i]:.1f}</p><dl>'
        f"<dt>source</dt><dd>{isolated(cut(sentences.sources[i]))}</dd>"
        f"<dt>reference</dt><dd>{marked(reference, 'del')}</dd>"
        f"<dt>translation</dt><dd>{marked(hypothesis, 'ins') or '(empty)'}</dd></dl></div>"
    )


def marked(words: list[Word], tag: str) -> str:
    """Return words as HTML, those in a row that the other text lacks in one element."""
    told: list[str] = []
    before = False
    for word, is_lacking in words:
        if told:
            told.append(f"</{tag}> " if before and not is_lacking else " ")
        if is_lacking and not before:
            told.append(f"<{tag}>")
        told.append(escape(word))
        before = is_lacking
    return f'<bdi dir="auto">{"".join(told)}{f"</{tag}>" * before}</bdi>' if told else ""


def isolated(text: str) -> str:
    """Return somebody's text as HTML that turns no other text's direction."""
    return f'<bdi dir="auto">{escape(text)}</bdi>'


def cut(text: str) -> str:
    return text if len(text) <= MOST_LETTERS else text[: MOST_LETTERS - 1] + "…"


def attention(facts: Facts) -> Iterable[str]:
    """Return the part in which one points at tokens."""
    if facts.attention:
        yield f"<p>{explanation(facts.attention)}</p>"
        yield attention_part(facts.attention)
    else:
        yield f"<p>{isolated(facts.missing.get('attention', 'It was not looked into.'))}</p>"
