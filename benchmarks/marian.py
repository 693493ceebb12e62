"""In a worker: the library's own translator, a MarianMTModel of the same size, trained by its own Trainer."""

from typing import Any

from transformers import (
    DataCollatorForSeq2Seq,
    MarianConfig,
    MarianMTModel,
    PreTrainedTokenizerFast,
    Seq2SeqTrainer,
    Seq2SeqTrainingArguments,
    set_seed,
)

from league import hardware
from league.data.corpora import Split, load_split
from league.data.tokens import encode
from league.rulebook import League
from league_config import AING, ModelHP
from modeling import train_tokenizer

LEARNING_RATE = 5e-4  # norms after the blocks: stage A's rate is too high for them


def build(tokenizer: PreTrainedTokenizerFast, structure: dict[str, int], rules: League) -> MarianMTModel:
    """Return a model of the league's size, its embedding shared by both languages and the output."""
    config = MarianConfig(
        vocab_size=len(tokenizer),
        d_model=structure["d_model"],
        max_position_embeddings=rules.max_length,
        dropout=ModelHP.dropout,
        scale_embedding=True,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        forced_eos_token_id=tokenizer.eos_token_id,
        decoder_start_token_id=tokenizer.bos_token_id,
        **{f"{side}_layers": structure["num_layers"] for side in ("encoder", "decoder")},
        **{f"{side}_attention_heads": structure["nhead"] for side in ("encoder", "decoder")},
        **{f"{side}_ffn_dim": structure["d_ff"] for side in ("encoder", "decoder")},
    )
    return MarianMTModel(config)


def tokenize(split: Split, tokenizer: PreTrainedTokenizerFast, rules: League) -> list[dict[str, list[int]]]:
    """Return the pairs as a plain list, the leanest dataset that a Trainer can have."""
    sides = (encode(tokenizer, list(texts), rules.max_length) for texts in (split.sources, split.targets))
    return [{"input_ids": source, "labels": target} for (source, _), (target, _) in zip(*sides, strict=True)]


def prepare(data_dir: str, tokenizer: str | None = None) -> tuple[PreTrainedTokenizerFast, list]:
    """Return the league's tokenizer (or the one in a folder), and the training pairs of stage A."""
    captions = load_split(AING, AING.pretrain.corpus, "train", data_dir)
    if tokenizer:
        trained = PreTrainedTokenizerFast.from_pretrained(tokenizer)
    else:
        trained = train_tokenizer([*captions.sources, *captions.targets], AING.vocab_size, AING.max_length)
    return trained, tokenize(captions, trained, AING)


def best_flags() -> dict[str, Any]:
    """Return the flags of the library that make training faster without other code."""
    precision = hardware.pick_precision()
    return {
        "bf16": precision == "bf16",
        "fp16": precision == "fp16",
        "train_sampling_strategy": "group_by_length",
        "optim": "adamw_torch_fused",
        "use_cpu": not hardware.has_gpu(),
    }


def trainer(model: MarianMTModel, tokenizer, pairs: list, **flags: Any) -> Seq2SeqTrainer:
    """Return a Trainer with the library's defaults, apart from the league's batch and label smoothing."""
    args = Seq2SeqTrainingArguments(
        per_device_train_batch_size=AING.batch_size,
        label_smoothing_factor=AING.pretrain.arguments["label_smoothing_factor"],
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        **{"learning_rate": LEARNING_RATE} | flags,
    )
    collator = DataCollatorForSeq2Seq(tokenizer, model=model)
    return Seq2SeqTrainer(
        model=model, args=args, train_dataset=pairs, data_collator=collator, processing_class=tokenizer
    )


def train(channel, structure: dict[str, int], steps: int, folders: dict[str, str]) -> None:
    """Job: train a model with the best flags on the data and tokenizer of two folders, and keep it in a third."""
    trained, pairs = prepare(folders["data"], folders["tokenizer"])
    set_seed(1)
    model = build(trained, structure, AING)
    channel.say(f"training Marian ({model.num_parameters():,} parameters) for {steps} steps")
    trainer(model, trained, pairs, max_steps=steps, warmup_steps=steps // 6, **best_flags()).train()
    model.save_pretrained(folders["to"])
    trained.save_pretrained(folders["to"])
    channel.answer(done=True)
