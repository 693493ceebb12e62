"""The score: predict the whole test set and print FINAL_TEST_BLEU, or whatever the league's metric is.

    python evaluate_bleu.py
    accelerate launch --num_processes 2 evaluate_bleu.py

Before: train_pretrain.py, train_finetune.py; or --finetuned ENTRY (or OWNER/NAME, on the Hub), which takes over both
stages for what they cost there. A score once given is printed again; --again scores once more.
"""

from dataclasses import dataclass, field

from league.cli.options import parse_options
from league.errors import run_command
from league.values import Options


@dataclass
class ScoreOptions:
    again: bool = field(default=False, metadata={"help": "open the test set once more and score again"})
    finetuned: str | None = field(
        default=None,
        metadata={
            "help": "entry, or OWNER/NAME on the Hub, whose two stages to take over, for the time that they cost"
        },
    )


def main(argv: list[str] | None = None) -> None:
    options, scoring = parse_options(__doc__, Options, ScoreOptions, argv=argv)

    from league import hardware
    from league.run.entry import Entry

    hardware.prepare_process()
    evaluate(Entry(options), scoring.again, scoring.finetuned)


def evaluate(entry, again: bool = False, finetuned: str | None = None) -> None:
    """Score an entry, or show the score that it has."""
    from accelerate import PartialState

    from league import hardware
    from league.cli import ending
    from league.files import digest_of, write_text
    from league.record.rules import clock_problems
    from league.record.shape import ScoreFacts
    from league.run import moves, takeover
    from league.run.failures import clear_failures
    from league.tasks.predicting import predict
    from league.tasks.predictions import content_of
    from league.tasks.scoring import score
    from league.tasks.task import task_of

    state = PartialState(cpu=not hardware.has_gpu())
    if finetuned:
        with state.main_process_first():
            takeover.reuse(entry, "--finetuned", finetuned, "pretrain", "finetune")
    moves.require(entry, "finetune")
    if not entry.record.score or again:
        with state.main_process_first():  # and reads what another command may have written meanwhile
            entry.claim()
    rules = entry.rules.as_tuned(entry.record.asked)
    task = task_of(rules)
    if entry.record.score and not again:
        if state.is_main_process:
            if any(clock_problems(entry.clock.spent, entry.record)):
                moves.start(entry, {})  # which brings the record up to date: --again was killed
            if not (entry.folder / "report.html").is_file():
                ending.draw_report(entry)  # a kill came before
        return ending.finish_score(entry)

    model, tokenizer = task.load_checkpoint(entry.checkpoint("finetune"))
    task.prepare(model)
    with clear_failures(entry, state.device):
        model.to(state.device)
    test = task.load_split(rules.test_corpus, "test", entry.options.data_dir)
    moves.open_test_set(entry, test)
    try:
        with entry.clock.charge("score"), clear_failures(entry, state.device):
            predictions = predict(task, model, tokenizer, task.inputs(test), "predicting the test set")
            result = score(rules, predictions, task.references(test))
    except BaseException:
        entry.write()  # with the minutes that this took
        raise

    if state.is_main_process:
        file = entry.folder / task.predictions_file
        write_text(file, content_of(file.name, predictions))
        evidence = {
            "decoding": task.decoding_in_effect(model),
            "weights": entry.digests("finetune"),
            "device": hardware.device_name(),
            "precision": {"torch.float32": "fp32"}.get(str(model.dtype), str(model.dtype)),
            "num_processes": state.num_processes,
            "sha256": {file.name: digest_of(file)},
        }
        entry.record.score = ScoreFacts(**result, **evidence)
        entry.write()
        ending.draw_report(entry, test, (model, tokenizer))
        ending.finish_score(entry)


if __name__ == "__main__":
    run_command(main)
