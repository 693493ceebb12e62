"""The models and the tokenizer: what travels to the Hub with every checkpoint."""

from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForMaskedLM,
    AutoModelForSeq2SeqLM,
    AutoModelForSequenceClassification,
)

from .configuration_aing import AingConfig, AingReaderConfig
from .modeling_aing import AingForConditionalGeneration, AingModel, AingPreTrainedModel
from .reading_aing import AingForMaskedLM, AingForSequenceClassification, AingReaderModel
from .tokenization_aing import train_tokenizer

# `save_pretrained` writes the code beside the weights, so that a checkpoint loads where this project is not installed.
for config in (AingConfig, AingReaderConfig):
    AutoConfig.register(config.model_type, config, exist_ok=True)
    config.register_for_auto_class()
for auto, config, model in (
    (AutoModel, AingConfig, AingModel),
    (AutoModelForSeq2SeqLM, AingConfig, AingForConditionalGeneration),
    (AutoModel, AingReaderConfig, AingReaderModel),
    (AutoModelForMaskedLM, AingReaderConfig, AingForMaskedLM),
    (AutoModelForSequenceClassification, AingReaderConfig, AingForSequenceClassification),
):
    auto.register(config, model, exist_ok=True)
    model.register_for_auto_class(auto.__name__)

__all__ = [
    "AingConfig",
    "AingForConditionalGeneration",
    "AingForMaskedLM",
    "AingForSequenceClassification",
    "AingModel",
    "AingPreTrainedModel",
    "AingReaderConfig",
    "AingReaderModel",
    "train_tokenizer",
]
