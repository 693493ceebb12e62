"""The model and the tokenizer: what travels to the Hub with every checkpoint."""

from transformers import AutoConfig, AutoModel, AutoModelForSeq2SeqLM

from .configuration_aing import AingConfig
from .modeling_aing import AingForConditionalGeneration, AingModel, AingPreTrainedModel
from .tokenization_aing import train_tokenizer

AutoConfig.register("aing", AingConfig, exist_ok=True)
AutoModel.register(AingConfig, AingModel, exist_ok=True)
AutoModelForSeq2SeqLM.register(AingConfig, AingForConditionalGeneration, exist_ok=True)
# `save_pretrained` writes the code beside the weights, so that a checkpoint loads where this project is not installed.
AingConfig.register_for_auto_class()
AingModel.register_for_auto_class("AutoModel")
AingForConditionalGeneration.register_for_auto_class("AutoModelForSeq2SeqLM")

__all__ = ["AingConfig", "AingForConditionalGeneration", "AingModel", "AingPreTrainedModel", "train_tokenizer"]
