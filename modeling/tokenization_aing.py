"""The tokenizer: a byte-level BPE, shared by both languages, in a PreTrainedTokenizerFast."""

from collections.abc import Iterable, Mapping

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

PAD, BOS, EOS, UNK, MASK = "<pad>", "<bos>", "<eos>", "<unk>", "<mask>"  # ids 0 to 4


def train_tokenizer(
    texts: Iterable[str],
    vocab_size: int,
    model_max_length: int,
    *,
    masks: bool = False,
    lowercase: bool = False,
    rewritten: Mapping[str, str] | None = None,
) -> PreTrainedTokenizerFast:
    """Train a BPE of at most `vocab_size` entries; any text survives it, up to Unicode's NFC normalisation.

    With `masks` it has a token for what is hidden; without, every id is what it has always been. Texts that are only
    read may lose what does not matter: `rewritten` replaces what its expressions match, and `lowercase` the capitals.
    """
    backend = Tokenizer(models.BPE(unk_token=UNK))
    # The first word gets the space that all others have, so that a word is one token wherever it stands.
    loses = [normalizers.Replace(Regex(pattern), text) for pattern, text in (rewritten or {}).items()]
    loses += [normalizers.Lowercase()] if lowercase else []
    backend.normalizer = normalizers.Sequence([normalizers.NFC(), *loses, normalizers.Prepend(" ")])
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.Sequence([decoders.ByteLevel(), decoders.Strip(" ", 1, 0)])
    # All 256 bytes are in the alphabet: nothing is ever unknown.
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[PAD, BOS, EOS, UNK, *([MASK] if masks else [])],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    backend.train_from_iterator(texts, trainer)
    # The library adds no <eos> by itself, and without one generation never ends.
    backend.post_processor = processors.TemplateProcessing(
        single=f"$A {EOS}", pair=f"$A {EOS} $B:1 {EOS}:1", special_tokens=[(EOS, backend.token_to_id(EOS))]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        pad_token=PAD,
        bos_token=BOS,
        eos_token=EOS,
        unk_token=UNK,
        **({"mask_token": MASK} if masks else {}),
        model_max_length=model_max_length,
        padding_side="right",
        model_input_names=["input_ids", "attention_mask"],
        split_special_tokens=True,  # "<eos>" in somebody's text is text
        clean_up_tokenization_spaces=False,
    )
