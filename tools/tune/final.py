"""The end of a search: its winner becomes the entry, and is scored."""

import sys
from dataclasses import replace

from evaluate_bleu import evaluate
from league.cli.ending import finish_stage
from league.run import moves, takeover
from train_finetune import finetune
from train_pretrain import pretrain

from .output import add_score
from .results import best_of, several_of, winner_of
from .search import Search
from .space import Values
from .trial import fitting


def play(search: Search) -> None:
    """Play the final entry."""
    print(search.output.report("final"))
    winner, entry = take_over(search), search.entry
    if not (moves.completed(entry, "pretrain") and moves.completed(entry, "finetune")):
        left = f"{max(0.0, entry.clock.left) / 60:.0f} minutes that the league's clock has left"
        print(f"No entry was whole by the end of the search: it is played now, in the {left}.", file=sys.stderr)
    for stage, train in (("pretrain", pretrain), ("finetune", finetune)):
        if not moves.completed(entry, stage):
            most = fitting(search.options.device_batch_size, search.rules, stage, winner[stage])
            entry.options = replace(entry.options, device_batch_size=most)
            train(entry, search.rules.tuned(stage)(**winner[stage]))
            finish_stage(entry, stage)
    evaluate(entry)
    add_score(entry)


def take_over(search: Search) -> dict[str, Values]:
    """Take over what was trained of the winner, and charge the rest of the search; return the winner's values."""
    entry, best, winner = search.entry, best_of(search.study.rows()), winner_of(search)
    used, taken = search.earlier + search.used, 0.0
    if best:
        folder = search.study.trial_folder(best["number"] if best["stage"] == "pretrain" else best["base"])
        takeover.take_over(entry, folder, "pretrain", "the best structure")
        taken += entry.clock.spent["pretrain"]
        if best["stage"] == "finetune":
            folder = search.study.trial_folder(best["number"])
            takeover.take_over(entry, folder, "finetune", "the best fine-tune")
            taken += entry.clock.spent["finetune"]
    # What these stages cost is on the clock under their own names.
    entry.clock.spent["trials"] = max(0.0, used - taken)
    entry.record.trials = search.num_trials
    entry.record.workers = several_of(search.study.noted("at once", {}))
    entry.clock.save()
    entry.write()
    return winner
