"""The Aing encoder on its own: a masked language model, and a classifier of sentences with convolutions on top."""

import torch
from torch import nn
from torch.nn import functional as F
from transformers.modeling_outputs import BaseModelOutput, MaskedLMOutput, SequenceClassifierOutput
from transformers.processing_utils import Unpack
from transformers.utils import TransformersKwargs, can_return_tuple

from .configuration_aing import AingReaderConfig
from .modeling_aing import AingEncoder, AingPreTrainedModel, Dropout

# Shapes: B sentences, L tokens, D d_model, V vocabulary, C filters of a width, K a width, N labels.


class AingReaderModel(AingEncoder):
    """The encoder under a configuration without a decoder."""

    config_class = AingReaderConfig


class AingReaderPreTrainedModel(AingPreTrainedModel):
    """What both readers share: the encoder is their base model."""

    config_class = AingReaderConfig

    def __init__(self, config: AingReaderConfig):
        super().__init__(config)
        self.model = AingReaderModel(config)


class AingForMaskedLM(AingReaderPreTrainedModel):
    """Says which tokens stand behind the masks: the embedding that reads tokens also names them."""

    leaves_logits_to_loss = False  # in training, where the loss projects the positions that it needs
    _tied_weights_keys = {"lm_head.weight": "model.embed_tokens.weight"}

    def __init__(self, config: AingReaderConfig):
        super().__init__(config)
        self.lm_head = nn.Linear(config.d_model, config.vocab_size, bias=False)
        self.post_init()

    @can_return_tuple
    def forward(
        self, input_ids=None, attention_mask=None, inputs_embeds=None, labels=None, **kwargs: Unpack[TransformersKwargs]
    ) -> MaskedLMOutput | BaseModelOutput:
        outputs = self.model(input_ids, attention_mask, inputs_embeds, **kwargs)
        if self.leaves_logits_to_loss and self.training and labels is None:
            return outputs
        logits = self.lm_head(outputs.last_hidden_state)  # B L V
        loss = None
        if labels is not None:
            loss = self.loss_function(logits, labels, self.config.vocab_size, **kwargs)
        return MaskedLMOutput(
            loss=loss, logits=logits, hidden_states=outputs.hidden_states, attentions=outputs.attentions
        )


class AingForSequenceClassification(AingReaderPreTrainedModel):
    """Convolutions of several widths over the last hidden states; the strongest answer of each filter decides.

    With `filters_read_words` they see each token's embedding beside its state: what stands there, untouched by the
    rest of the sentence.
    """

    def __init__(self, config: AingReaderConfig):
        super().__init__(config)
        self.num_labels = config.num_labels
        num_read = 2 * config.d_model if config.filters_read_words else config.d_model
        self.convolutions = nn.ModuleList(
            nn.Conv1d(num_read, config.conv_filters, width) for width in config.kernel_sizes
        )
        self.dropout = Dropout(config.classifier_dropout)
        self.classifier = nn.Linear(len(config.kernel_sizes) * config.conv_filters, config.num_labels)
        self.post_init()

    def read(self, input_ids=None, attention_mask=None, inputs_embeds=None, **kwargs) -> tuple:
        """Return the encoder's outputs, and what each filter answers to them."""
        outputs = self.model(input_ids, attention_mask, inputs_embeds, **kwargs)
        states = outputs.last_hidden_state
        if self.config.filters_read_words:
            words, _ = self.model.embed(input_ids, inputs_embeds)
            states = torch.cat([states, words], dim=2)
        return outputs, self.answers(states, attention_mask)

    def answers(self, states: torch.Tensor, attention_mask: torch.Tensor | None) -> list[torch.Tensor]:
        """Return what each filter answers to the words from each position on, by width; padding answers nothing."""
        x = states.transpose(1, 2)  # B D L
        if attention_mask is not None:
            is_padding = (attention_mask == 0)[:, None]  # B 1 L
            x = x.masked_fill(is_padding, 0.0)
        answers = []
        for convolution in self.convolutions:
            # A window may reach beyond the end, where it sees zeros: sentences may be shorter than a filter.
            answer = convolution(F.pad(x, (0, convolution.kernel_size[0] - 1)))  # B C L
            if attention_mask is not None:
                answer = answer.masked_fill(is_padding, torch.finfo(answer.dtype).min)
            answers.append(answer)
        return answers

    @can_return_tuple
    def forward(
        self, input_ids=None, attention_mask=None, inputs_embeds=None, labels=None, **kwargs: Unpack[TransformersKwargs]
    ) -> SequenceClassifierOutput:
        outputs, answers = self.read(input_ids, attention_mask, inputs_embeds, **kwargs)
        strongest = torch.cat([answer.amax(2) for answer in answers], dim=1)  # B K*C
        logits = self.classifier(self.dropout(F.relu(strongest)))  # B N
        loss = None
        if labels is not None:
            in_batch = kwargs.get("num_items_in_batch")  # of all devices and parts, where a Trainer accumulates
            loss = self.loss_function(
                labels=labels, pooled_logits=logits, config=self.config, num_items_in_batch=in_batch
            )
        return SequenceClassifierOutput(
            loss=loss, logits=logits, hidden_states=outputs.hidden_states, attentions=outputs.attentions
        )


__all__ = ["AingForMaskedLM", "AingForSequenceClassification", "AingReaderModel"]
