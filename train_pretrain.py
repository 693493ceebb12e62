"""Stage A: train a tokenizer and a model from scratch, with fixed settings; only the structure is yours.

    python train_pretrain.py --d_model 256 --nhead 4 --num_layers 3 --d_ff 1024
    accelerate launch --num_processes 2 train_pretrain.py --d_model 256

Next: train_finetune.py, evaluate_bleu.py.
"""

from typing import Any

from league.cli.options import parse_stage_options
from league.errors import run_command
from league.tasks.task import task_of
from league.values import TrainingOptions, as_values


def main(argv: list[str] | None = None) -> None:
    options, model_hp = parse_stage_options(__doc__, TrainingOptions, "pretrain", argv)
    task = task_of(options.rules, "pretrain")
    task.check("pretrain", model_hp)

    from league import hardware
    from league.run.entry import Entry

    hardware.prepare_process()
    hardware.check_memory(task.num_parameters(as_values(model_hp)) or 0)
    entry = Entry(options)
    was_complete = pretrain(entry, model_hp)

    from league.cli.ending import finish_stage

    finish_stage(entry, "pretrain", was_complete)


def pretrain(entry, model_hp: Any, splits=None) -> bool:
    """Train stage A of an entry, or resume it; `splits` of its data may be shared. Tell whether it was complete."""
    from transformers import Seq2SeqTrainer, Seq2SeqTrainingArguments, set_seed

    from league.data.batches import TrainingOrder
    from league.run import loading, moves
    from league.run import stage as training

    options, rules = entry.options, entry.rules.as_tuned(as_values(model_hp), "pretrain")
    task = task_of(rules, "pretrain")
    if task.is_given:
        from league.run.takeover import take_given

        return take_given(entry, task)
    args = Seq2SeqTrainingArguments(**training.fixed_arguments(entry, rules, "pretrain"))

    splits = splits or loading.Splits(rules, options.data_dir)
    train, validation = splits.load(rules.pretrain.corpus, "train"), splits.validation(rules, "pretrain")
    moves.start(entry, {"seed": options.seed} | as_values(model_hp), train, *validation.values())
    if moves.completed(entry, "pretrain"):
        return True

    training.introduce(entry, task.about(train, *validation.values()))
    with args.main_process_first():
        tokenizer = task.train_tokenizer(train)
        tokens = loading.tokenize(task, train, tokenizer)

    set_seed(options.seed)
    model = task.new_model(as_values(model_hp), tokenizer)
    task.prepare(model)

    order = TrainingOrder(tokens, rules.batch_size, args.max_steps, options.seed)
    watch = training.StageWatch(entry, "pretrain")
    with entry.tracked("pretrain"), training.failures(entry, args):
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
