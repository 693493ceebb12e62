"""Runs Transformers' own shared model tests on this model, as if it were one of the library's.

They come with the library's source, not with the installed package: see README.md beside this file.
"""

import importlib
import os
import sys
import types
import unittest
from pathlib import Path
from unittest import mock

import pytest
import torch
import transformers
from transformers.models.auto import modeling_auto

from modeling import (
    AingConfig,
    AingForConditionalGeneration,
    AingForMaskedLM,
    AingForSequenceClassification,
    AingModel,
    AingReaderConfig,
    AingReaderModel,
)

SOURCE = os.environ.get("TRANSFORMERS_SOURCE")
if not SOURCE:
    pytest.skip(
        "needs the library's source: `python -m tests.library.run` fetches it; or TRANSFORMERS_SOURCE names its folder",
        allow_module_level=True,
    )

pytestmark = pytest.mark.library

# The library's tests lie in a package called `tests`, as ours do. They import each other relatively: any name will do.
PACKAGE = "transformers_tests"
# What the library's tests want and its source distribution leaves out. A whole checkout has them, and they run then.
CONFIG_KWARGS = {
    "return_dict": False,
    "output_hidden_states": True,
    "output_attentions": True,
    "dtype": "float16",
    "chunk_size_feed_forward": 5,
    "architectures": ["AnyModel"],
    "id2label": {0: "label"},
    "label2id": {"label": "0"},
    "problem_type": "regression",
}
STAND_INS = {
    "exporters.test_export": {"ExportTesterMixin": type("ExportTesterMixin", (), {})},
    "generation.test_utils": {"GenerationTesterMixin": type("GenerationTesterMixin", (), {})},
    "utils.test_configuration_utils": {"config_common_kwargs": CONFIG_KWARGS},
}


def add_module(name: str, **attributes) -> types.ModuleType:
    """Make a module out of its attributes."""
    module = sys.modules[name] = types.ModuleType(name)
    module.__dict__.update(attributes)
    return module


def import_shared_tests(folder: Path) -> tuple[types.ModuleType, types.ModuleType]:
    """Import the library's shared tests of models and of configurations from its tests folder."""
    add_module(PACKAGE, __path__=[str(folder)])
    for name, attributes in STAND_INS.items():
        parent, _, _ = name.partition(".")
        if not (folder / name.replace(".", "/")).with_suffix(".py").exists():
            add_module(f"{PACKAGE}.{parent}", __path__=[str(folder / parent)])
            add_module(f"{PACKAGE}.{name}", **attributes)
    # Their configuration tests import the library anew, out of a folder that the source distribution has only half of.
    with mock.patch("transformers.utils.direct_transformers_import", lambda path: transformers):
        names = ("test_modeling_common", "test_configuration_common")
        return tuple(importlib.import_module(f"{PACKAGE}.{name}") for name in names)


common, configuration_common = import_shared_tests(Path(SOURCE) / "tests")


class AingModelTester:
    """A tiny model and inputs for it."""

    batch_size, encoder_seq_length, decoder_seq_length = 4, 9, 7
    seq_length = decoder_seq_length  # of the labels
    hidden_size, num_hidden_layers, num_attention_heads = 16, 2, 4
    is_training = True

    def __init__(self, parent):
        self.parent = parent

    def get_config(self) -> AingConfig:
        return AingConfig(
            vocab_size=99, d_model=16, nhead=4, num_layers=2, d_ff=32, dropout=0.1, max_position_embeddings=50
        )

    def prepare_config_and_inputs_for_common(self):
        source = common.ids_tensor([self.batch_size, self.encoder_seq_length], 99).clamp(3)
        source[:, -1] = 2
        target = common.ids_tensor([self.batch_size, self.decoder_seq_length], 99).clamp(3)
        inputs = {
            "input_ids": source,
            "attention_mask": torch.ones_like(source),
            "decoder_input_ids": target,
            "decoder_attention_mask": torch.ones_like(target),
        }
        return self.get_config(), inputs


class AingModelTest(common.ModelTesterMixin, common.GenerationTesterMixin, unittest.TestCase):
    """The library's tests, with what they must know about the model."""

    all_model_classes = (AingModel, AingForConditionalGeneration)
    is_encoder_decoder = True
    # Otherwise skipped, for want of a year in the head of the configuration's file.
    test_can_init_all_missing_weights_before_2023 = True

    def setUp(self):
        self.model_tester = AingModelTester(self)
        self.config_tester = configuration_common.ConfigTester(self, config_class=AingConfig, d_model=32)
        # The tests ask the library's tables which model is the bare one, and which takes labels.
        for table, model in (
            ("MODEL_MAPPING_NAMES", AingModel),
            ("MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES", AingForConditionalGeneration),
        ):
            name_it(self, table, AingConfig, model)

    def test_config(self):
        self.config_tester.run_common_tests()


class AingReaderTester(AingModelTester):
    """A tiny encoder and inputs for it."""

    seq_length, num_labels = AingModelTester.encoder_seq_length, 3

    def get_config(self) -> AingReaderConfig:
        size = {"vocab_size": 99, "d_model": 16, "nhead": 4, "num_layers": 2, "d_ff": 32}
        return AingReaderConfig(**size, dropout=0.1, max_position_embeddings=50, conv_filters=4)

    def prepare_config_and_inputs_for_common(self):
        config, inputs = super().prepare_config_and_inputs_for_common()
        return config, {name: inputs[name] for name in ("input_ids", "attention_mask")}


class AingReaderTest(common.ModelTesterMixin, unittest.TestCase):
    """The same for the encoder on its own, the masked language model and the classifier."""

    all_model_classes = (AingReaderModel, AingForMaskedLM, AingForSequenceClassification)
    is_encoder_decoder = False
    test_can_init_all_missing_weights_before_2023 = True

    def setUp(self):
        self.model_tester = AingReaderTester(self)
        self.config_tester = configuration_common.ConfigTester(self, config_class=AingReaderConfig, d_model=32)
        for table, model in (
            ("MODEL_MAPPING_NAMES", AingReaderModel),
            ("MODEL_FOR_MASKED_LM_MAPPING_NAMES", AingForMaskedLM),
            ("MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES", AingForSequenceClassification),
        ):
            name_it(self, table, AingReaderConfig, model)

    def test_config(self):
        self.config_tester.run_common_tests()


def name_it(test: unittest.TestCase, table: str, config: type, model: type) -> None:
    """Enter a model into one of the library's tables for the length of a test."""
    entry = mock.patch.dict(getattr(modeling_auto, table), {config.model_type: model.__name__})
    entry.start()
    test.addCleanup(entry.stop)
