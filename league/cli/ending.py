"""The end of a command: what the participant reads, and the upload where it was asked for."""

import math
import sys

from league.data.corpora import Split
from league.hub.transfer import push_if_asked
from league.run.entry import Entry
from league.tasks.metric import metric_of

NEXT = {"pretrain": "train_finetune.py", "finetune": "evaluate_bleu.py"}


def finish_stage(entry: Entry, name: str, was_complete: bool = False) -> None:
    """Show what a stage did to both domains, side by side."""
    if not entry.writes or entry.conduct.is_quiet:
        return
    if was_complete:
        print(f"Stage {name} of entry {entry.name!r} is complete already: nothing to do.")
    facts = entry.record.stages[name]
    if facts.out_of_time:
        print(
            f"The {entry.rules.minutes:g} minutes are over, but for what scoring needs: "
            f"stopped after {facts.steps} steps and saved."
        )
    size = facts.effective.get("num_parameters", 0)
    print(
        f"\n{name}: {facts.steps} steps, {facts.minutes:.1f} min, {facts.tokens:,} tokens, "
        f"{size / 1e6:.1f}M parameters, {facts.precision} on {facts.device}"
    )
    print_validation(entry)
    print(f"clock: {entry.clock.used / 60:.1f} of {entry.rules.minutes:g} min used")
    print_game(entry)
    push_if_asked(entry)
    following = f"python {NEXT[name]} --league {entry.rules.name} --entry {entry.name}"
    print(f"saved in {entry.checkpoint(name)}; next: {following}")


def print_validation(entry: Entry) -> None:
    """Print the validation scores: where both stages have one objective, what each gained, and what it forgot."""
    stages, rules = entry.record.stages, entry.rules
    if not rules.has_one_task:
        for name, facts in stages.items():
            label = metric_of(rules, name).LABEL
            scores = {f"{label} on {domain}": value for domain, value in facts.validation.items()} | facts.figures
            print(f"validation after {name}: " + ", ".join(f"{key} {value:.2f}" for key, value in scores.items()))
        return
    domains = [corpus.domain for corpus in rules.validated("finetune")]
    scores = {name: stages[name].validation for name in NEXT if name in stages and stages[name].validation}
    if not scores:
        return  # stage A was a checkpoint of the Hub
    rows = {name: [values.get(domain, math.nan) for domain in domains] for name, values in scores.items()}
    title = f"validation {metric_of(rules).LABEL}"
    print(f"{title:<16}" + "".join(f"{domain:>10}" for domain in domains))
    for name, values in rows.items():
        print(f"{f'after {name}':<16}" + "".join(f"{value:>10.2f}" for value in values))
    if len(rows) == 2:
        changes = [after - before for before, after in zip(*rows.values(), strict=True)]
        print(f"{'change':<16}" + "".join(f"{change:>+10.2f}" for change in changes))


def print_game(entry: Entry) -> None:
    """Print what is left of the game, where there is one."""
    if entry.game:
        print(entry.game.summary())


def draw_report(entry: Entry, test: Split | None = None, loaded: tuple | None = None) -> None:
    """Draw the report of a scored entry, with what is at hand; a failure is one line, and is not the run's."""
    if entry.conduct.is_quiet:
        return
    try:
        from league.report.write import write_entry_report

        if entry.hold():
            print(f"report: {write_entry_report(entry.folder, None, entry.options.data_dir, test, loaded)}")
    except Exception as error:  # of several libraries: the score is recorded, whatever fails here
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        print(f"no report was drawn: {reason}; python -m tools.report {entry.folder} tries again.", file=sys.stderr)


def finish_score(entry: Entry) -> None:
    """Show the score with its evidence; the last line is the one that programs read."""
    if not entry.writes:
        return
    from league.record.wording import figures, in_words  # which no training enters

    record, score = entry.record, entry.record.score
    print_validation(entry)
    print(f"\ntest: {figures(score)}")
    print(f"{score.signature}; test set opened {record.test_openings} time(s)")
    print(f"clock: {record.clock.minutes:.1f} of {entry.rules.minutes:g} min used; trials: {record.trials}")
    print_game(entry)
    print("verdict: official" if record.official else "verdict: open, not ranked, because")
    for broken in record.broken_rules:
        print(f"  {in_words(broken)}")
    push_if_asked(entry)
    print(f"FINAL_TEST_{score.metric.upper()} = {score.value:.2f}")
