"""The configurations of the Aing encoder-decoder, and of the encoder on its own."""

from huggingface_hub.dataclasses import strict
from transformers import PreTrainedConfig

ACTIVATIONS = ("relu", "gelu", "silu")


@strict
class AingConfig(PreTrainedConfig):
    """The shape of an Aing model: MODEL_HP's five values under their own names, the vocabulary, the special tokens."""

    model_type = "aing"
    keys_to_ignore_at_inference = ["past_key_values"]
    attribute_map = {"hidden_size": "d_model", "num_attention_heads": "nhead", "num_hidden_layers": "num_layers"}

    vocab_size: int = 8000
    d_model: int = 128
    nhead: int = 4
    num_layers: int = 2
    num_decoder_layers: int | None = None  # if not as many as in the encoder
    d_ff: int = 256
    activation: str = "relu"  # of the feed-forward blocks
    dropout: float | int = 0.1
    rope_theta: float | int = 10000.0
    max_position_embeddings: int = 128  # what it is trained for; rotary positions have no hard end
    use_cache: bool = True
    is_encoder_decoder: bool = True
    tie_word_embeddings: bool = True
    pad_token_id: int | None = 0
    bos_token_id: int | None = 1
    eos_token_id: int | list[int] | None = 2
    decoder_start_token_id: int | None = 1

    def to_diff_dict(self):
        """Leave the decoder's depth out of config.json where nothing was said of it."""
        values = super().to_diff_dict()
        if values.get("num_decoder_layers") is None:
            values.pop("num_decoder_layers", None)
        return values

    def get_text_config(self, decoder=None, encoder=None):
        """Return the decoder's configuration where the library makes a cache for it: with its own depth."""
        config = super().get_text_config(decoder=decoder, encoder=encoder)
        if decoder and config.num_decoder_layers:
            config.num_layers = config.num_decoder_layers  # of a copy
        return config

    def validate_architecture(self):
        """Refuse heads that do not fill the model's width, or cannot be rotated."""
        if self.activation not in ACTIVATIONS:
            raise ValueError(f"activation ({self.activation!r:.20}) must be one of {', '.join(ACTIVATIONS)}.")
        if self.d_model % self.nhead:
            raise ValueError(f"d_model ({self.d_model}) must be divisible by nhead ({self.nhead}).")
        if self.d_model // self.nhead % 2:
            raise ValueError(
                f"d_model / nhead ({self.d_model} / {self.nhead}) must be even: rotary positions turn pairs of values."
            )


@strict
class AingReaderConfig(AingConfig):
    """The shape of an Aing reader: an encoder, and the convolutions of its sentence classifier."""

    model_type = "aing_reader"

    is_encoder_decoder: bool = False
    use_cache: bool = False
    decoder_start_token_id: int | None = None
    mask_token_id: int | None = 4
    conv_filters: int = 64  # of each width
    kernel_sizes: list[int] | tuple[int, ...] = (2, 3, 4)  # in tokens
    classifier_dropout: float | int = 0.1
    filters_read_words: bool = False  # the tokens' embeddings, beside what the encoder makes of them

    def validate_classifier(self):
        """Refuse convolutions that cannot be built."""
        if self.conv_filters < 1 or not self.kernel_sizes or min(self.kernel_sizes) < 1:
            raise ValueError(
                f"{self.conv_filters} filters of widths {list(self.kernel_sizes)}: each must be at least 1."
            )


__all__ = ["AingConfig", "AingReaderConfig"]
