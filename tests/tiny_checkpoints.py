"""Tiny checkpoints of several kinds: random weights, and tokenizers trained on the built-in corpus."""

import io
import json
from pathlib import Path

import sentencepiece
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import (
    BartConfig,
    BartForConditionalGeneration,
    BartTokenizer,
    MarianConfig,
    MarianMTModel,
    MarianTokenizer,
    MBart50Tokenizer,
    MBartConfig,
    MBartForConditionalGeneration,
    PreTrainedTokenizerFast,
    T5Config,
    T5ForConditionalGeneration,
    T5Tokenizer,
)

from league.data.demo.generate import generate_pairs

TEXTS = [text for row in generate_pairs("dialogues", "train", 150, seed=3) for text in row]
KOREAN = ["민수는 내일 학교에 간다.", "회의는 세 시에 시작한다.", "영희가 빵을 샀다."]
SIZE = {"d_model": 16, "encoder_layers": 2, "decoder_layers": 1, "encoder_attention_heads": 2}
SIZE |= {"decoder_attention_heads": 2, "encoder_ffn_dim": 32, "decoder_ffn_dim": 32, "dropout": 0.1}


def bart(folder: Path) -> None:
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=500, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    backend.train_from_iterator(TEXTS, trainer)
    model = json.loads(backend.to_str())["model"]
    tokenizer = BartTokenizer(vocab=model["vocab"], merges=[tuple(pair) for pair in model["merges"]])
    config = BartConfig(vocab_size=len(tokenizer), max_position_embeddings=128, **SIZE)
    # As BART's own checkpoints do, it brings a search along, which is not the league's.
    made = BartForConditionalGeneration(config)
    made.generation_config.update(forced_bos_token_id=0, num_beams=7, no_repeat_ngram_size=5, early_stopping=True)
    _save(folder, made, tokenizer)


def t5(folder: Path) -> None:
    backend = Tokenizer(models.Unigram())
    backend.pre_tokenizer = pre_tokenizers.Metaspace()
    special = ["<pad>", "</s>", "<unk>"]
    trainer = trainers.UnigramTrainer(vocab_size=300, special_tokens=special, unk_token="<unk>", show_progress=False)
    backend.train_from_iterator(TEXTS, trainer)
    vocab = [tuple(piece) for piece in json.loads(backend.to_str())["model"]["vocab"]]
    tokenizer = T5Tokenizer(vocab=vocab, extra_ids=0)
    rows = -(-len(tokenizer) // 64) * 64  # T5's weights have more rows than its tokenizer has tokens
    shape = {"d_model": 16, "d_kv": 8, "d_ff": 32, "num_layers": 2, "num_heads": 2}
    config = T5Config(vocab_size=rows, feed_forward_proj="gated-gelu", decoder_start_token_id=0, **shape)
    _save(folder, T5ForConditionalGeneration(config), tokenizer)


def marian(folder: Path) -> None:
    folder.mkdir(parents=True)
    for side, texts in (("source", TEXTS[::2]), ("target", TEXTS[1::2])):
        lines = (line for text in texts for line in text.split("\n"))
        pieces = io.BytesIO()
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=lines, model_writer=pieces, vocab_size=200, minloglevel=2, num_threads=1
        )
        (folder / f"{side}.spm").write_bytes(pieces.getvalue())
    sides = [sentencepiece.SentencePieceProcessor(str(folder / f"{side}.spm")) for side in ("source", "target")]
    names = [one.id_to_piece(i) for one in sides for i in range(3, one.get_piece_size())]
    words = ["</s>", "<unk>", *dict.fromkeys(names), "<pad>"]
    (folder / "vocab.json").write_text(json.dumps({word: i for i, word in enumerate(words)}))
    files = {"source_spm": folder / "source.spm", "target_spm": folder / "target.spm", "vocab": folder / "vocab.json"}
    tokenizer = MarianTokenizer(**{name: str(path) for name, path in files.items()})
    pad = len(words) - 1
    tokens = {"pad_token_id": pad, "eos_token_id": 0, "decoder_start_token_id": pad, "forced_eos_token_id": 0}
    config = MarianConfig(vocab_size=len(words), max_position_embeddings=128, **tokens, **SIZE)
    made = MarianMTModel(config)
    made.generation_config.bad_words_ids = [[pad]]
    _save(folder, made, tokenizer)


def mbart(folder: Path) -> None:
    """Its texts begin with a language: English comes in, and what comes out is forced to be Korean."""
    backend = Tokenizer(models.Unigram())
    backend.pre_tokenizer = pre_tokenizers.Metaspace()
    special = ["<unk>", "<s>", "</s>"]
    trainer = trainers.UnigramTrainer(vocab_size=300, special_tokens=special, unk_token="<unk>", show_progress=False)
    backend.train_from_iterator([*TEXTS, *KOREAN], trainer)
    vocab = [tuple(piece) for piece in json.loads(backend.to_str())["model"]["vocab"]]
    tokenizer = MBart50Tokenizer(vocab=vocab, src_lang="en_XX", tgt_lang="ko_KR")
    tokens = {"decoder_start_token_id": 2, "forced_eos_token_id": 2}
    config = MBartConfig(vocab_size=len(tokenizer), max_position_embeddings=128, **tokens, **SIZE)
    made = MBartForConditionalGeneration(config)
    made.generation_config.forced_bos_token_id = tokenizer.convert_tokens_to_ids("ko_KR")
    _save(folder, made, tokenizer)


def kobart(folder: Path) -> None:
    """One token begins, ends and starts texts; the tokenizer adds none, and gives token types; weights are a pickle."""
    backend = Tokenizer(models.BPE(unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.Metaspace()
    special = ["<s>", "</s>", "<unk>", "<pad>", "<mask>"]
    trainer = trainers.BpeTrainer(vocab_size=400, special_tokens=special, show_progress=False)
    backend.train_from_iterator([*TEXTS, *KOREAN], trainer)
    names = {"bos_token": "</s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}
    inputs = ["input_ids", "token_type_ids", "attention_mask"]
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, model_input_names=inputs, **names)
    tokens = {"bos_token_id": 1, "eos_token_id": 1, "decoder_start_token_id": 1, "pad_token_id": 3}
    config = BartConfig(vocab_size=len(tokenizer), max_position_embeddings=128, forced_eos_token_id=1, **tokens, **SIZE)
    _save(folder, BartForConditionalGeneration(config), tokenizer)
    weights = BartForConditionalGeneration.from_pretrained(folder).state_dict()
    torch.save(weights, folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()


def _save(folder: Path, model, tokenizer) -> None:
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


KINDS = {"bart": bart, "t5": t5, "marian": marian, "mbart": mbart, "kobart": kobart}


def files_of(kind: str, folder: Path) -> dict[str, bytes]:
    """Make a checkpoint, and return its files."""
    torch.manual_seed(1)
    KINDS[kind](folder)
    return {path.name: path.read_bytes() for path in folder.iterdir()}
