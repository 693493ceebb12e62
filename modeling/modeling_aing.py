"""The Aing encoder-decoder: "Attention Is All You Need" with norms before the blocks and rotary positions."""

import math

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from transformers import PreTrainedModel
from transformers import initialization as init
from transformers.cache_utils import Cache, DynamicCache, EncoderDecoderCache
from transformers.generation import EosTokenCriteria, GenerationMixin, MaxLengthCriteria
from transformers.generation.utils import GenerateBeamEncoderDecoderOutput
from transformers.masking_utils import create_bidirectional_mask, create_causal_mask
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.modeling_outputs import (
    BaseModelOutput,
    BaseModelOutputWithPastAndCrossAttentions,
    Seq2SeqLMOutput,
    Seq2SeqModelOutput,
)
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS
from transformers.processing_utils import Unpack
from transformers.utils import TransformersKwargs, can_return_tuple
from transformers.utils.generic import merge_with_config_defaults
from transformers.utils.output_capturing import OutputRecorder, capture_outputs

from .beam_search_aing import beam_search
from .configuration_aing import AingConfig

# Shapes: B sentences, S source tokens, T target tokens, L either, D d_model, H heads, E = D / H, F d_ff, V vocabulary.


def shift_right(labels: torch.Tensor, pad_token_id: int, start_token_id: int) -> torch.Tensor:
    """Turn targets into decoder inputs: the start token, then all but the last target; -100 becomes padding."""
    inputs = labels.new_full(labels.shape, start_token_id)
    inputs[:, 1:] = labels[:, :-1]
    return inputs.masked_fill_(inputs == -100, pad_token_id)  # B T


def rotary_angles(start, length: int, width: int, theta: float, device) -> tuple[torch.Tensor, torch.Tensor]:
    """Return cosine and signed sine of the angle by which each position turns each pair of a head's values."""
    rates = theta ** (-torch.arange(0, width, 2, dtype=torch.float32, device=device) / width)
    angles = (torch.arange(length, device=device) + start)[:, None] * rates
    cos, sin = angles.cos(), angles.sin()
    return torch.cat((cos, cos), dim=-1), torch.cat((-sin, sin), dim=-1)  # L E


def rotate(x: torch.Tensor, angles: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
    """Turn queries or keys by their positions, so that their products depend on distances alone."""
    cos, sin = (part[:, None, None].to(x.dtype) for part in angles)
    return x * cos + x.roll(x.shape[-1] // 2, -1) * sin  # B L 2 H E: value i makes a pair with value i + E / 2


def eager_attention_forward(module, query, key, value, attention_mask, scaling, dropout=0.0, **kwargs):
    """Scaled dot-product attention, spelled out; the library brings sdpa and flex attention."""
    scores = query @ key.transpose(2, 3) * scaling  # B H T S
    if attention_mask is not None:
        scores = scores + attention_mask
    weights = F.dropout(F.softmax(scores, dim=-1), dropout, module.training)
    return (weights @ value).transpose(1, 2), weights  # B T H E, B H T S


class Dropout(nn.Dropout):
    """Dropout with cheap random numbers on CPUs, where torch's own cost more than the products that they follow."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.training or self.p in (0.0, 1.0) or x.device.type != "cpu":
            return super().forward(x)
        # The seed comes from torch, so that torch's state decides everything, as ever. A byte a value is enough:
        # of 256 values, floor or ceiling of 256 p drop it, at random, so that each is dropped with probability p.
        seed = int(torch.randint(2**62, ()))
        dropped = math.floor(256 * self.p + seed / 2**62)
        words = np.random.PCG64(seed).random_raw(-(-x.numel() // 8)).view(np.uint8)
        noise = torch.from_numpy(words[: x.numel()]).view(x.shape).to(x.dtype)
        return x * noise.ge_(dropped).mul_(1 / (1 - self.p))


class AingAttention(nn.Module):
    """Multi-head attention: of a sequence to itself, or to a `memory`, the encoder's output."""

    def __init__(self, config: AingConfig, layer_idx: int, is_causal: bool = False, reads_memory: bool = False):
        super().__init__()
        self.config, self.layer_idx, self.is_causal = config, layer_idx, is_causal
        self.head_dim = config.d_model // config.nhead
        self.scaling = self.head_dim**-0.5
        # One product for all that reads the same input.
        if reads_memory:
            self.q_proj = nn.Linear(config.d_model, config.d_model)
            self.kv_proj = nn.Linear(config.d_model, 2 * config.d_model)
            self.kv_proj.num_parts = 2
        else:
            self.qkv_proj = nn.Linear(config.d_model, 3 * config.d_model)
            self.qkv_proj.num_parts = 3
        self.o_proj = nn.Linear(config.d_model, config.d_model)
        self.o_proj.ends_block = True

    def split(self, x: torch.Tensor, num_parts: int) -> torch.Tensor:
        """Part what one projection made into queries, keys or values, and these into heads."""
        return x.view(*x.shape[:-1], num_parts, -1, self.head_dim)  # B L parts H E

    def project(self, x: torch.Tensor, angles) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return queries, keys and values of a sequence, the first two turned by their positions."""
        query_key, value = self.split(self.qkv_proj(x), 3).split((2, 1), dim=2)
        query, key = rotate(query_key, angles).transpose(1, 3).unbind(2)
        return query, key, value.squeeze(2).transpose(1, 2)  # each B H L E

    def project_query(self, x: torch.Tensor) -> torch.Tensor:
        """Return queries to a memory."""
        return self.split(self.q_proj(x), 1).squeeze(2).transpose(1, 2)  # B H L E

    def forward(self, x, mask, angles=None, memory=None, past_key_values=None, **kwargs):
        if memory is None:
            query, key, value = self.project(x, angles)
            if past_key_values is not None:
                is_pair = isinstance(past_key_values, EncoderDecoderCache)
                cache = past_key_values.self_attention_cache if is_pair else past_key_values
                key, value = cache.update(key, value, self.layer_idx)
        else:
            query = self.project_query(x)
            key, value = self.memory_keys_and_values(memory, past_key_values)
        attend = ALL_ATTENTION_FUNCTIONS.get_interface(self.config._attn_implementation, eager_attention_forward)
        y, weights = attend(self, query, key, value, mask, scaling=self.scaling, **kwargs)  # each B H L E
        return self.o_proj(y.reshape(x.shape)), weights

    def memory_keys_and_values(self, memory: torch.Tensor, past_key_values: Cache | None):
        """Project a memory, or take its keys and values from the cache: they never change."""
        # A single cache is the target's: it has no room for a memory.
        is_pair = isinstance(past_key_values, EncoderDecoderCache)
        if is_pair and past_key_values.is_updated.get(self.layer_idx):
            layer = past_key_values.cross_attention_cache.layers[self.layer_idx]
            return layer.keys, layer.values
        key, value = self.split(self.kv_proj(memory), 2).transpose(1, 3).unbind(2)
        if is_pair:
            key, value = past_key_values.cross_attention_cache.update(key, value, self.layer_idx)
            past_key_values.is_updated[self.layer_idx] = True
        return key, value


class AingFeedForward(nn.Module):
    """Two linear maps with a non-linearity between them, the same at every position."""

    def __init__(self, config: AingConfig):
        super().__init__()
        self.up_proj = nn.Linear(config.d_model, config.d_ff)
        self.down_proj = nn.Linear(config.d_ff, config.d_model)
        self.down_proj.ends_block = True
        self.activation = getattr(F, config.activation)

    def forward(self, x):
        return self.down_proj(self.activation(self.up_proj(x)))  # B L D -> B L F -> B L D


class AingLayer(GradientCheckpointingLayer):
    """A layer of either stack; the decoder's also attends to the encoder's output."""

    def __init__(self, config: AingConfig, layer_idx: int, is_decoder: bool):
        super().__init__()
        self.self_attn_layer_norm = nn.LayerNorm(config.d_model)
        self.self_attn = AingAttention(config, layer_idx, is_causal=is_decoder)
        if is_decoder:
            self.cross_attn_layer_norm = nn.LayerNorm(config.d_model)
            self.cross_attn = AingAttention(config, layer_idx, reads_memory=True)
        self.feed_forward_layer_norm = nn.LayerNorm(config.d_model)
        self.feed_forward = AingFeedForward(config)
        self.dropout = Dropout(config.dropout)

    def forward(self, x, mask, angles, memory=None, memory_mask=None, past_key_values=None, **kwargs):
        y, _ = self.self_attn(self.self_attn_layer_norm(x), mask, angles, past_key_values=past_key_values, **kwargs)
        x = x + self.dropout(y)
        if memory is not None:
            y = self.cross_attn_layer_norm(x)
            y, _ = self.cross_attn(y, memory_mask, memory=memory, past_key_values=past_key_values, **kwargs)
            x = x + self.dropout(y)
        return x + self.dropout(self.feed_forward(self.feed_forward_layer_norm(x)))  # B L D


class AingPreTrainedModel(PreTrainedModel):
    """What all Aing models share: how they are initialised, and which of the library's machinery they support."""

    config_class = AingConfig
    base_model_prefix = "model"
    supports_gradient_checkpointing = True
    _no_split_modules = ["AingLayer"]
    _supports_sdpa = True
    _supports_flash_attn = False  # its kernels drop queries of a cross-attention that is as wide as its source
    _supports_flex_attn = True
    _can_compile_fullgraph = True

    @torch.no_grad()
    def _init_weights(self, module):
        if isinstance(module, nn.Linear):
            # What ends a block is added to the residual stream: it starts small, so that depth does not blow it up.
            is_last = getattr(module, "ends_block", False)
            gain = (2 * self.config.num_layers) ** -0.5 if is_last else 1.0
            if not getattr(module.weight, "_is_hf_initialized", False):
                for part in module.weight.chunk(getattr(module, "num_parts", 1)):
                    init.xavier_normal_(part, gain)
            if module.bias is not None:
                init.zeros_(module.bias)
        elif isinstance(module, nn.Embedding):
            # Also the output projection: logits start with unit variance, inputs too after scaling by sqrt(D).
            init.normal_(module.weight, std=self.config.d_model**-0.5)
            if module.padding_idx is not None and not getattr(module.weight, "_is_hf_initialized", False):
                init.zeros_(module.weight[module.padding_idx])
        else:
            super()._init_weights(module)


class AingStack(AingPreTrainedModel):
    """Token embeddings, layers and a last norm: the frame of the encoder and of the decoder."""

    is_decoder = False

    def __init__(self, config: AingConfig):
        super().__init__(config)
        self.embed_tokens = nn.Embedding(config.vocab_size, config.d_model, config.pad_token_id)
        depth = config.num_decoder_layers if self.is_decoder and config.num_decoder_layers else config.num_layers
        self.layers = nn.ModuleList(AingLayer(config, i, self.is_decoder) for i in range(depth))
        self.layer_norm = nn.LayerNorm(config.d_model)
        self.dropout = Dropout(config.dropout)
        self.gradient_checkpointing = False
        self.post_init()

    def embed(self, input_ids, inputs_embeds, past_length=0):
        """Return the scaled embeddings and the angles of their positions."""
        if (input_ids is None) == (inputs_embeds is None):
            raise ValueError("Give either token ids or embeddings: one of them, not both.")
        if inputs_embeds is None:
            inputs_embeds = self.embed_tokens(input_ids)
        x = self.dropout(inputs_embeds * math.sqrt(self.config.d_model))  # B L D
        width = self.config.d_model // self.config.nhead
        return x, rotary_angles(past_length, x.shape[1], width, self.config.rope_theta, x.device)


class AingEncoder(AingStack):
    """Reads the source; stands alone as a bidirectional text encoder."""

    _can_record_outputs = {"hidden_states": AingLayer, "attentions": AingAttention}

    @merge_with_config_defaults
    @capture_outputs
    def forward(self, input_ids=None, attention_mask=None, inputs_embeds=None, **kwargs) -> BaseModelOutput:
        x, angles = self.embed(input_ids, inputs_embeds)
        mask = create_bidirectional_mask(self.config, x, attention_mask)
        for layer in self.layers:
            x = layer(x, mask, angles, **kwargs)
        return BaseModelOutput(last_hidden_state=self.layer_norm(x))


class AingDecoder(AingStack):
    """Writes the target: each position sees the target before it and the whole source."""

    is_decoder = True
    _can_record_outputs = {
        "hidden_states": AingLayer,
        "attentions": OutputRecorder(AingAttention, index=1, layer_name="self_attn"),
        "cross_attentions": OutputRecorder(AingAttention, index=1, layer_name="cross_attn"),
    }

    @merge_with_config_defaults
    @capture_outputs
    def forward(
        self,
        input_ids=None,
        attention_mask=None,
        encoder_hidden_states=None,
        encoder_attention_mask=None,
        past_key_values: Cache | None = None,
        inputs_embeds=None,
        use_cache: bool | None = None,
        **kwargs,
    ) -> BaseModelOutputWithPastAndCrossAttentions:
        if use_cache and past_key_values is None:
            past_key_values = EncoderDecoderCache(DynamicCache(config=self.config), DynamicCache(config=self.config))
        past_length = 0 if past_key_values is None else past_key_values.get_seq_length()
        x, angles = self.embed(input_ids, inputs_embeds, past_length)
        is_pair = isinstance(past_key_values, EncoderDecoderCache)
        past = past_key_values.self_attention_cache if is_pair else past_key_values
        mask = create_causal_mask(self.config, x, attention_mask, past)
        memory_mask = create_bidirectional_mask(self.config, x, encoder_attention_mask, encoder_hidden_states)
        for layer in self.layers:
            x = layer(x, mask, angles, encoder_hidden_states, memory_mask, past_key_values=past_key_values, **kwargs)
        return BaseModelOutputWithPastAndCrossAttentions(
            last_hidden_state=self.layer_norm(x), past_key_values=past_key_values
        )


class AingModel(AingPreTrainedModel):
    """Encoder and decoder, with one embedding for both languages."""

    _tied_weights_keys = {"decoder.embed_tokens.weight": "encoder.embed_tokens.weight"}

    def __init__(self, config: AingConfig):
        super().__init__(config)
        self.encoder = AingEncoder(config)
        self.decoder = AingDecoder(config)
        self.post_init()

    def get_input_embeddings(self):
        return self.encoder.embed_tokens

    def set_input_embeddings(self, value):
        self.encoder.embed_tokens = self.decoder.embed_tokens = value

    @can_return_tuple
    def forward(
        self,
        input_ids=None,
        attention_mask=None,
        decoder_input_ids=None,
        decoder_attention_mask=None,
        encoder_outputs=None,
        past_key_values: Cache | None = None,
        inputs_embeds=None,
        decoder_inputs_embeds=None,
        use_cache: bool | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> Seq2SeqModelOutput:
        if encoder_outputs is None:
            encoder_outputs = self.encoder(input_ids, attention_mask, inputs_embeds, **kwargs)
        elif not isinstance(encoder_outputs, BaseModelOutput):
            encoder_outputs = BaseModelOutput(*encoder_outputs)
        decoder_outputs = self.decoder(
            decoder_input_ids,
            decoder_attention_mask,
            encoder_outputs[0],
            attention_mask,
            past_key_values,
            decoder_inputs_embeds,
            use_cache=use_cache,
            **kwargs,
        )
        return Seq2SeqModelOutput(
            last_hidden_state=decoder_outputs.last_hidden_state,  # B T D
            past_key_values=decoder_outputs.past_key_values,
            decoder_hidden_states=decoder_outputs.hidden_states,
            decoder_attentions=decoder_outputs.attentions,
            cross_attentions=decoder_outputs.cross_attentions,
            encoder_last_hidden_state=encoder_outputs.last_hidden_state,
            encoder_hidden_states=encoder_outputs.hidden_states,
            encoder_attentions=encoder_outputs.attentions,
        )


class AingForConditionalGeneration(AingPreTrainedModel, GenerationMixin):
    """The translator: the embedding that reads tokens also writes them."""

    leaves_logits_to_loss = False  # in training, where the loss projects the hidden states itself
    _tied_weights_keys = {
        "model.decoder.embed_tokens.weight": "model.encoder.embed_tokens.weight",
        "lm_head.weight": "model.encoder.embed_tokens.weight",
    }

    def __init__(self, config: AingConfig):
        super().__init__(config)
        self.model = AingModel(config)
        self.lm_head = nn.Linear(config.d_model, config.vocab_size, bias=False)
        self.post_init()

    @can_return_tuple
    def forward(
        self,
        input_ids=None,
        attention_mask=None,
        decoder_input_ids=None,
        decoder_attention_mask=None,
        encoder_outputs=None,
        past_key_values: Cache | None = None,
        inputs_embeds=None,
        decoder_inputs_embeds=None,
        labels=None,
        use_cache: bool | None = None,
        num_items_in_batch=None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> Seq2SeqLMOutput:
        if labels is not None and decoder_input_ids is None and decoder_inputs_embeds is None:
            decoder_input_ids = self.prepare_decoder_input_ids_from_labels(labels)
        if use_cache is None and (labels is not None or self.training):
            use_cache = False  # nothing will be generated
        outputs = self.model(
            input_ids,
            attention_mask,
            decoder_input_ids,
            decoder_attention_mask,
            encoder_outputs,
            past_key_values,
            inputs_embeds,
            decoder_inputs_embeds,
            use_cache=use_cache,
            **kwargs,
        )
        if self.leaves_logits_to_loss and self.training and labels is None:
            return outputs
        logits = self.lm_head(outputs.last_hidden_state)  # B T V
        loss = None
        if labels is not None:
            # The labels stand where they are predicted already: "shifted", in the library's word.
            loss = self.loss_function(
                logits, labels, self.config.vocab_size, num_items_in_batch=num_items_in_batch, shift_labels=labels
            )
        rest = {name: value for name, value in outputs.items() if name != "last_hidden_state"}
        return Seq2SeqLMOutput(loss=loss, logits=logits, **rest)

    def _beam_search(
        self, input_ids, logits_processor, stopping_criteria, generation_config, synced_gpus=False, **model_kwargs
    ):
        """Search as the library does, only faster, wherever no more is asked for than translations and their scores."""
        config, known = generation_config, (MaxLengthCriteria, EosTokenCriteria)
        steps = (config.output_scores, config.output_logits, config.output_attentions, config.output_hidden_states)
        is_plain = (
            all(type(criterion) in known for criterion in stopping_criteria)
            and not (logits_processor or synced_gpus or self.training)
            and not (config.do_sample or config.low_memory or (config.return_dict_in_generate and any(steps)))
            and config._eos_token_tensor is not None
            and input_ids.shape[1] == 1
            and model_kwargs.get("use_cache")
            and {"encoder_outputs", "attention_mask"} <= model_kwargs.keys()
            and "decoder_attention_mask" not in model_kwargs
            and len(set((getattr(self, "hf_device_map", None) or {}).values())) < 2  # layers on several devices
            and not (model_kwargs.get("past_key_values") and model_kwargs["past_key_values"].get_seq_length())
        )
        if not is_plain:
            return super()._beam_search(
                input_ids, logits_processor, stopping_criteria, generation_config, synced_gpus, **model_kwargs
            )
        each = slice(None, None, config.num_beams)  # generate() has repeated everything for each beam
        memory = model_kwargs["encoder_outputs"][0][each]
        width = self.config.d_model // self.config.nhead
        angles = rotary_angles(0, config.max_length, width, self.config.rope_theta, memory.device)
        ends = config._eos_token_tensor
        sequences, scores = beam_search(
            self,
            input_ids[each],
            memory,
            model_kwargs["attention_mask"][each],
            angles,
            config,
            ends,
            # The library fills up with <pad>, but takes the id 0 for none.
            fill=int(config._pad_token_tensor or ends[0]),
        )
        if config.return_dict_in_generate:
            return GenerateBeamEncoderDecoderOutput(sequences=sequences, sequences_scores=scores)
        return sequences

    def prepare_decoder_input_ids_from_labels(self, labels: torch.Tensor) -> torch.Tensor:
        return shift_right(labels, self.config.pad_token_id, self.config.decoder_start_token_id)


__all__ = ["AingEncoder", "AingForConditionalGeneration", "AingModel", "AingPreTrainedModel"]
