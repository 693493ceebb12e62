"""What to try next: each rule looks at an entry's facts and has something to say, or not."""

from collections.abc import Callable, Iterator

from league.report.facts import Facts
from league.report.texts import Text, say
from league.rulebook import SCRIPTS, STAGES, Range
from league.values import readable

MOST_ADVICE = 3
LOWER, HIGHER = 0.1, 3.0  # of a learning rate, in one try: chosen, an order of magnitude down, half of one up
UNUSED = 0.5  # share of the clock that lies idle before a larger structure is worth a try: chosen


def advice(facts: Facts) -> list[Text]:
    """Return what to do next, the most pressing first."""
    said = [words for rule in RULES for words in rule(facts)]
    return said[:MOST_ADVICE]


def to_continue(facts: Facts) -> Iterator[Text]:
    """An entry that has no score yet: the command that comes next."""
    if facts.score or facts.record.diverged:
        return
    stage = next((name for name in STAGES if name not in facts.stages), "score")
    command = f"python {SCRIPTS[stage]} --league {facts.record.league.name} --entry {facts.name}"
    if facts.under_way:
        yield say("advice.resume", command=command, step=facts.under_way.step)
    else:
        yield say("advice.next", command=command)


def after_divergence(facts: Facts) -> Iterator[Text]:
    diverged = facts.record.diverged
    if diverged and diverged.stage == "finetune" and (rate := tuned_to(facts, "learning_rate", LOWER)):
        yield say("advice.diverged", value=f"--learning_rate {readable(rate)}", entry=facts.name)
    elif diverged:
        yield say("advice.diverged_structure")


def after_lateness(facts: Facts) -> Iterator[Text]:
    """A stage that the clock cut off: less to compute."""
    for name, stage in facts.stages.items():
        if stage.out_of_time:
            yield say("advice.cut", stage=say(f"stage.{name}"), steps=f"{stage.steps:,}")
            return


def after_forgetting(facts: Facts) -> Iterator[Text]:
    """A fine-tune that cost the domain of the score more than a seed could: a gentler one."""
    if not facts.changes:
        return
    domain, change = next(iter(facts.changes.items()))
    if change >= 0 or facts.is_noise(change):
        return
    values = {"domain": domain, "lost": f"{-change:.1f}", "metric": facts.metric}
    if rate := tuned_to(facts, "learning_rate", LOWER):
        yield say("advice.forgot", value=f"--learning_rate {readable(rate)}", **values)
    else:
        yield say("advice.forgot_untuned", **values)


def after_nothing(facts: Facts) -> Iterator[Text]:
    """A fine-tune that moved nothing on either domain: a bolder one, where there is room."""
    changes = facts.changes.values()
    if changes and facts.noise is not None and all(abs(change) < facts.noise / 4 for change in changes):
        if rate := tuned_to(facts, "learning_rate", HIGHER):
            yield say("advice.nothing", value=f"--learning_rate {readable(rate)}")


def with_time_left(facts: Facts) -> Iterator[Text]:
    """A clock that is half full: the next larger structure."""
    limit, used = facts.record.clock.limit, facts.minutes_used
    if not facts.score or facts.broken or used > (1 - UNUSED) * limit:
        return
    if larger := next_choice(facts, "pretrain", "d_model"):
        yield say("advice.larger", left=f"{limit - used:.0f}", limit=f"{limit:g}", value=f"--d_model {larger}")


RULES: tuple[Callable[[Facts], Iterator[Text]], ...] = (
    to_continue,
    after_divergence,
    after_lateness,
    after_forgetting,
    after_nothing,
    with_time_left,
)


def span_of(facts: Facts, stage: str, name: str):
    """Return the search range of a tuned value; None where the league does not tune it."""
    return facts.rules.ranges(stage).get(name) if facts.rules else None


def tuned_to(facts: Facts, name: str, factor: float) -> float | None:
    """Return a value of the fine-tune times a factor, inside of its range; None where it cannot be moved there."""
    span, value = span_of(facts, "finetune", name), facts.record.asked.get(name)
    if not isinstance(span, Range) or isinstance(value, bool) or not isinstance(value, int | float):
        return None
    moved = min(max(value * factor, span.low), span.high)
    return None if abs(moved - value) <= 0.01 * abs(value) else float(f"{moved:.2g}")


def next_choice(facts: Facts, stage: str, name: str) -> int | None:
    """Return the next larger choice of a value."""
    span, value = span_of(facts, stage, name), facts.record.asked.get(name)
    if not isinstance(span, tuple) or isinstance(span, Range) or not isinstance(value, int | float):
        return None
    heads = facts.record.asked.get("nhead", 1)
    fits = (one for one in span if one > value and isinstance(heads, int) and heads and one % heads == 0)
    return next(fits, None)
