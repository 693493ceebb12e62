"""In a worker: a MarianMTModel with the league's tokenizer as a CTranslate2 model."""

from pathlib import Path

import transformers
from ctranslate2.converters import TransformersConverter
from ctranslate2.converters.transformers import BartLoader, MarianMTLoader, register_loader


class LeagueMarianLoader(MarianMTLoader):
    """As for Marian's own checkpoints, but padding comes first in the vocabulary, and decoding starts from <bos>."""

    def get_model_spec(self, model):
        model.config.normalize_before = model.config.normalize_embedding = False
        return BartLoader.get_model_spec(self, model)

    set_decoder = BartLoader.set_decoder
    set_config = BartLoader.set_config
    get_vocabulary = BartLoader.get_vocabulary


class LeagueConverter(TransformersConverter):
    """Reads the tokenizer as what it is: by the model's type the library would take it for Marian's own."""

    def load_tokenizer(self, tokenizer_class, model_name_or_path, **kwargs):
        return transformers.PreTrainedTokenizerFast.from_pretrained(model_name_or_path, **kwargs)


def convert(folder: str, work: str) -> str:
    """Return the folder of the converted model, in float32: loading it quantizes."""
    converted = Path(work) / "ctranslate2"
    if not converted.is_dir():
        register_loader("MarianConfig")(LeagueMarianLoader)
        LeagueConverter(folder).convert(str(converted))
    return str(converted)
