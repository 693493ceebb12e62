"""Stage B: fine-tune stage A's model on other data; the optimizer and its schedule are yours.

    python train_finetune.py --learning_rate 3e-5 --lr_scheduler_type cosine --warmup_steps 100
    accelerate launch --num_processes 2 train_finetune.py --learning_rate 3e-5

Before: train_pretrain.py, or --pretrained ENTRY (or OWNER/NAME, on the Hub). Next: evaluate_bleu.py. Where the
score is on stage A's data, as in translation, a careless fine-tune forgets them.
"""

from dataclasses import dataclass, field
from typing import Any

from league.cli.options import parse_stage_options
from league.errors import run_command
from league.tasks.task import task_of
from league.values import TrainingOptions, as_values


@dataclass
class FinetuneOptions(TrainingOptions):
    pretrained: str | None = field(
        default=None,
        metadata={
            "help": "entry, or OWNER/NAME on the Hub, whose stage A to take over, for the time that it cost there"
        },
    )


def main(argv: list[str] | None = None) -> None:
    options, finetune_hp = parse_stage_options(__doc__, FinetuneOptions, "finetune", argv)
    task_of(options.rules).check("finetune", finetune_hp)

    from league import hardware
    from league.run.entry import Entry

    hardware.prepare_process()
    entry = Entry(options)
    was_complete = finetune(entry, finetune_hp)

    from league.cli.ending import finish_stage

    finish_stage(entry, "finetune", was_complete)


def finetune(entry, finetune_hp: Any, splits=None) -> bool:
    """Train stage B of an entry, or resume it; `splits` of its data may be shared. Tell whether it was complete."""
    from transformers import Seq2SeqTrainer, Seq2SeqTrainingArguments, set_seed

    from league.data.batches import TrainingOrder
    from league.run import loading, moves, takeover
    from league.run import stage as training

    options, tuned = entry.options, as_values(finetune_hp)
    rules = entry.rules.as_tuned(entry.record.asked | tuned)
    task = task_of(rules)
    args = Seq2SeqTrainingArguments(
        **training.fixed_arguments(entry, rules, "finetune"), **training.arguments_of(tuned)
    )
    if options.pretrained:
        with args.main_process_first():
            takeover.reuse(entry, "--pretrained", options.pretrained, "pretrain")
    moves.require(entry, "pretrain")

    splits = splits or loading.Splits(rules, options.data_dir)
    train, validation = splits.load(rules.finetune.corpus, "train"), splits.validation(rules, "finetune")
    moves.start(entry, {"seed": options.seed} | tuned, train, *validation.values())
    if moves.completed(entry, "finetune"):
        return True

    training.introduce(entry, task.about(train, *validation.values()))
    set_seed(options.seed)  # for what is new in it
    model, tokenizer = task.start_from(entry.checkpoint("pretrain"), tuned)
    with args.main_process_first():
        tokens = loading.tokenize(task, train, tokenizer)

    set_seed(options.seed)
    task.prepare(model)

    order = TrainingOrder(tokens, rules.batch_size, args.max_steps, options.seed)
    watch = training.StageWatch(entry, "finetune")
    with entry.tracked("finetune"), training.failures(entry, args):
        trainer = Seq2SeqTrainer(
            model=model,
            args=args,
            train_dataset=task.drawn(order, train, tokenizer, options.seed),
            data_collator=task.collator(model, options.seed),
            processing_class=tokenizer,
            compute_loss_func=task.loss(model, args),
            callbacks=[*task.callbacks(), watch],
        )
        training.run_stage(trainer, watch, validation)
    return False


if __name__ == "__main__":
    run_command(main)
