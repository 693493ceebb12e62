"""The score: translate the whole test set with beam search and print FINAL_TEST_BLEU.

    python evaluate_bleu.py
    accelerate launch --num_processes 2 evaluate_bleu.py

Before: train_pretrain.py, train_finetune.py. A score once given is printed again; --again scores anew.
"""

from dataclasses import dataclass, field

from league.errors import run_command
from league.options import Options, parse_options


@dataclass
class ScoreOptions:
    again: bool = field(default=False, metadata={"help": "open the test set once more and score anew"})


def main(argv: list[str] | None = None) -> None:
    options, scoring = parse_options(__doc__, Options, ScoreOptions, argv=argv)

    from accelerate import PartialState

    from league import hardware, loading, report
    from league.data import load_split
    from league.decoding import score, translate
    from league.entry import Entry
    from league.files import sha256_of, write_text

    hardware.prepare_process()
    state = PartialState(cpu=not hardware.has_gpu())
    entry = Entry(options)
    rules = entry.rules
    entry.require_stage("finetune", "train_finetune.py")
    if "score" in entry.record and not scoring.again:
        return report.finish_score(entry)

    model, tokenizer = loading.load_checkpoint(entry.checkpoint("finetune"))
    model.to(state.device)
    test = load_split(rules, rules.pretrain.corpus, "test", options.data_dir)
    entry.open_test_set(test)
    with entry.clock.charge("score"):
        hypotheses = translate(
            model, tokenizer, test.sources, **rules.decoding, max_length=rules.max_length, progress="translating"
        )
        result = score(hypotheses, test.targets)

    if state.is_main_process:
        translations = entry.folder / "translations.txt"
        write_text(translations, "\n".join(hypotheses) + "\n")
        settings = {"decoding": rules.decoding, "precision": str(model.dtype), "num_processes": state.num_processes}
        entry.add_score(result | settings | {"sha256": sha256_of([translations])})
        report.finish_score(entry)


if __name__ == "__main__":
    run_command(main)
