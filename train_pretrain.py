"""Stage A: train a tokenizer and a translator from scratch, with fixed settings; only the structure is yours.

    python train_pretrain.py --d_model 256 --nhead 4 --num_layers 3 --d_ff 1024
    accelerate launch --num_processes 2 train_pretrain.py --d_model 256

Next: train_finetune.py, evaluate_bleu.py.
"""

from league.cli.options import parse_options
from league.errors import run_command
from league.values import TrainingOptions, as_values, check_model_hp
from league_config import ModelHP


def main(argv: list[str] | None = None) -> None:
    options, model_hp = parse_options(__doc__, TrainingOptions, ModelHP, argv=argv)
    check_model_hp(model_hp)

    from league import hardware
    from league.record.rules import count_parameters
    from league.run.entry import Entry

    hardware.prepare_process()
    hardware.check_memory(count_parameters(**as_values(model_hp), vocab_size=options.rules.vocab_size))
    pretrain(Entry(options), model_hp)


def pretrain(entry, model_hp: ModelHP) -> None:
    """Train stage A of an entry, or go on with it."""
    from transformers import Seq2SeqTrainer, Seq2SeqTrainingArguments, set_seed

    from league.cli import ending as report
    from league.data.batches import PairCollator, TrainingOrder
    from league.run import loading
    from league.run import stage as training
    from league.tasks.loss import SmoothedLoss
    from modeling import AingConfig, AingForConditionalGeneration

    options, rules, stage = entry.options, entry.rules, entry.rules.pretrain
    args = Seq2SeqTrainingArguments(**training.fixed_arguments(entry, stage, "pretrain"))

    captions = loading.load(entry, stage.corpus, "train")
    validation = loading.load_validation(entry)
    entry.start({"seed": options.seed} | as_values(model_hp), captions, *validation.values())
    if entry.stage("pretrain"):
        return report.finish_stage(entry, "pretrain", was_complete=True)

    with args.main_process_first():
        tokenizer = loading.train_league_tokenizer(captions, rules)
        train_tokens = loading.tokenize(entry, captions, tokenizer)
        validation_tokens = {domain: loading.tokenize(entry, split, tokenizer) for domain, split in validation.items()}

    set_seed(options.seed)
    model = AingForConditionalGeneration(
        AingConfig(vocab_size=len(tokenizer), max_position_embeddings=rules.max_length, **as_values(model_hp))
    )
    loading.prepare_model(model, rules)

    watch = training.StageWatch(entry, "pretrain")
    with entry.tracked("pretrain"):
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
    report.finish_stage(entry, "pretrain")


if __name__ == "__main__":
    run_command(main)
