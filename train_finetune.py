"""Stage B: fine-tune stage A's model on talks; the optimizer and its schedule are yours.

    python train_finetune.py --learning_rate 3e-5 --lr_scheduler_type cosine --warmup_steps 100
    accelerate launch --num_processes 2 train_finetune.py --learning_rate 3e-5

Before: train_pretrain.py, or --pretrained ENTRY (or OWNER/NAME, on the Hub). Next: evaluate_bleu.py. The score is on
captions: a careless fine-tune forgets them.
"""

from dataclasses import dataclass, field

from league.cli.options import parse_options
from league.errors import run_command
from league.values import TrainingOptions, as_values, check_finetune_hp
from league_config import FinetuneHP


@dataclass
class FinetuneOptions(TrainingOptions):
    pretrained: str | None = field(
        default=None,
        metadata={
            "help": "entry, or OWNER/NAME on the Hub, whose stage A to take over, for the time that it cost there"
        },
    )


def main(argv: list[str] | None = None) -> None:
    options, finetune_hp = parse_options(__doc__, FinetuneOptions, FinetuneHP, argv=argv)
    check_finetune_hp(finetune_hp, options.rules.finetune.arguments["max_steps"])

    from league import hardware
    from league.run.entry import Entry

    hardware.prepare_process()
    finetune(Entry(options), finetune_hp)


def finetune(entry, finetune_hp: FinetuneHP) -> None:
    """Train stage B of an entry, or go on with it."""
    from transformers import Seq2SeqTrainer, Seq2SeqTrainingArguments, set_seed

    from league.cli import ending as report
    from league.data.batches import PairCollator, TrainingOrder
    from league.run import loading
    from league.run import stage as training
    from league.tasks.loss import SmoothedLoss

    options, rules, stage = entry.options, entry.rules, entry.rules.finetune
    tuned = as_values(finetune_hp)
    args = Seq2SeqTrainingArguments(**training.fixed_arguments(entry, stage, "finetune"), **tuned)
    if options.pretrained:
        with args.main_process_first():
            entry.reuse("--pretrained", options.pretrained, "pretrain")
    entry.require_stage("pretrain", "train_pretrain.py")

    talks = loading.load(entry, stage.corpus, "train")
    validation = loading.load_validation(entry)
    entry.start({"seed": options.seed} | tuned, talks, *validation.values())
    if entry.stage("finetune"):
        return report.finish_stage(entry, "finetune", was_complete=True)

    model, tokenizer = loading.load_checkpoint(entry.checkpoint("pretrain"), rules)
    with args.main_process_first():
        train_tokens = loading.tokenize(entry, talks, tokenizer)
        validation_tokens = {domain: loading.tokenize(entry, split, tokenizer) for domain, split in validation.items()}

    set_seed(options.seed)
    loading.prepare_model(model, rules)

    watch = training.StageWatch(entry, "finetune")
    with entry.tracked("finetune"):
        trainer = Seq2SeqTrainer(
            model=model,
            args=args,
            train_dataset=TrainingOrder(train_tokens, rules.batch_size, args.max_steps, options.seed),
            eval_dataset=validation_tokens,
            data_collator=PairCollator(model),
            processing_class=tokenizer,
            compute_loss_func=SmoothedLoss(model, args),
            callbacks=[watch],
        )
        training.run_stage(trainer, watch, validation)
    report.finish_stage(entry, "finetune")


if __name__ == "__main__":
    run_command(main)
