"""Beam search that finds what the library's finds, several times faster; `generate(num_beams=...)` runs it.

What it does otherwise than the library: a sentence that is done leaves the batch, instead of being carried on until
the last one is; the source's keys and values are kept once for a sentence, not once for each beam; and the target's are
never moved when beams are: each beam looks at those of all beams of its sentence, through a mask of its forebears.
"""

import torch
from torch.nn import functional as F

# Shapes: A sentences still searched, K beams, R = A K rows, H heads, E values a head, S source tokens, P positions.

IMPOSSIBLE = -1.0e9
FIRST_ROOM = 32  # positions of the target for which there is room at first; doubled when they are taken
KEPT = 0.8  # share of sentences that still run at which the others are dropped: that costs a copy of the caches
BLOCK = 160  # scores of which the highest is looked at first


class DecoderCache:
    """The keys and values that a decoder layer attends to."""

    def __init__(self, layer, memory: torch.Tensor, num_beams: int):
        self.layer, self.num_beams = layer, num_beams
        attention = layer.cross_attn
        self.memory = tuple(part.contiguous() for part in attention.memory_keys_and_values(memory, None))  # A H S E
        shape = (memory.shape[0], memory.shape[2] // attention.head_dim, FIRST_ROOM * num_beams, attention.head_dim)
        # Zeros: what a mask hides must still be a number.
        self.past = (memory.new_zeros(shape), memory.new_zeros(shape))  # A H P*K E

    def append(self, position: int, keys_and_values) -> tuple[torch.Tensor, torch.Tensor]:
        """Put the keys and values of a position's beams behind those of the positions before; return all."""
        end = (position + 1) * self.num_beams
        if end > self.past[0].shape[2]:
            self.past = tuple(torch.cat((part, torch.zeros_like(part)), dim=2) for part in self.past)
        for part, new in zip(self.past, keys_and_values, strict=True):
            part[:, :, position * self.num_beams :][:, :, : new.shape[2]] = new
        return tuple(part[:, :, :end] for part in self.past)

    def keep(self, rows: torch.Tensor) -> None:
        """Drop all sentences but these."""
        self.memory = tuple(part.index_select(0, rows) for part in self.memory)
        self.past = tuple(part.index_select(0, rows) for part in self.past)


class IncrementalDecoder:
    """The decoder, one position at a time for all beams of all sentences that are still searched."""

    def __init__(self, model, memory: torch.Tensor, memory_mask: torch.Tensor, angles, num_beams: int):
        self.model, self.decoder, self.num_beams = model, model.model.decoder, num_beams
        self.caches = [DecoderCache(layer, memory, num_beams) for layer in self.decoder.layers]
        hidden = torch.finfo(memory.dtype).min
        mask = memory.new_zeros(memory_mask.shape).masked_fill(memory_mask == 0, hidden)
        self.memory_mask = mask[:, None, None]  # A 1 1 S
        # Which beam's keys, at each position, belong to the forebears of each beam.
        self.strangers = torch.full((num_beams, num_beams), hidden, dtype=memory.dtype, device=memory.device)
        self.strangers.fill_diagonal_(0.0)
        self.past_mask = mask.new_empty(len(mask), num_beams, 0, num_beams)  # A K P K
        self.angles = angles

    def step(self, tokens: torch.Tensor, position: int) -> torch.Tensor:
        """Return the logits of what follows `tokens` (A, beams); at the first position one beam stands for all."""
        num_sentences, num_rows = tokens.shape
        own = self.strangers[:num_rows].expand(num_sentences, num_rows, -1)[:, :, None]
        self.past_mask = torch.cat((self.past_mask[:, :num_rows], own), dim=2)
        past_mask = self.past_mask.flatten(2)[:, None]  # A 1 K P*K
        x = self.decoder.embed_tokens(tokens) * self.decoder.config.d_model**0.5  # A K D
        for cache in self.caches:
            layer = cache.layer
            x = x + self._attend_to_past(layer.self_attn_layer_norm(x), cache, position, past_mask)
            x = x + self._attend_to_memory(layer.cross_attn_layer_norm(x), cache)
            x = x + layer.feed_forward(layer.feed_forward_layer_norm(x))
        return self.model.lm_head(self.decoder.layer_norm(x)).flatten(0, 1)  # R V

    def _attend_to_past(self, x, cache, position, mask):
        attention = cache.layer.self_attn
        # The beams stand where the positions of a sequence do, but all have the same one.
        angles = tuple(part[position : position + 1] for part in self.angles)
        query, key, value = attention.project(x, angles)  # A H K E
        keys, values = cache.append(position, (key, value))
        return self._mix(attention, query, keys, values, mask)

    def _attend_to_memory(self, x, cache):
        attention = cache.layer.cross_attn
        return self._mix(attention, attention.project_query(x), *cache.memory, self.memory_mask)

    def _mix(self, attention, query, keys, values, mask):
        y = F.scaled_dot_product_attention(query, keys, values, attn_mask=mask, scale=attention.scaling)
        return attention.o_proj(y.transpose(1, 2).flatten(2))  # A K D

    def follow(self, parents: torch.Tensor) -> None:
        """Let each beam (A, K) inherit its parent's forebears."""
        index = parents[:, :, None, None].expand(-1, -1, *self.past_mask.shape[2:])
        self.past_mask = self.past_mask.gather(1, index)

    def keep(self, rows: torch.Tensor) -> None:
        """Drop all sentences but these."""
        self.memory_mask, self.past_mask = self.memory_mask.index_select(0, rows), self.past_mask.index_select(0, rows)
        for cache in self.caches:
            cache.keep(rows)


class Hypotheses:
    """The beams of sentences: running ones with their scores, and the best finished ones."""

    def __init__(self, num_sentences: int, config, prompt: torch.Tensor, fill: int):
        self.config = config
        shape, device = (num_sentences, config.num_beams), prompt.device
        self.running = torch.full((*shape, config.max_length), fill, device=device)
        self.running[:, :, :1] = prompt[:, None]
        self.finished = self.running.clone()
        self.running_scores = torch.full(shape, IMPOSSIBLE, device=device)
        self.running_scores[:, 0] = 0.0  # all beams are the same at first: only one counts
        self.scores = torch.full(shape, IMPOSSIBLE, device=device)
        self.lengths = torch.zeros(shape, dtype=torch.long, device=device)
        self.is_finished = torch.zeros(shape, dtype=torch.bool, device=device)

    def extend(self, log_probs: torch.Tensor, length: int, ends: torch.Tensor) -> torch.Tensor:
        """Continue running beams, of `length` tokens, by their best tokens; return each new beam's parent (A, K)."""
        num_beams, vocab_size = self.config.num_beams, log_probs.shape[1]
        num_sentences = len(self.scores)
        # More than beams, so that enough run on when some end.
        scores, index = top(log_probs.view(num_sentences, -1), (1 + len(ends)) * num_beams)
        parents, tokens = index // vocab_size, index % vocab_size  # A 2K
        ended = torch.isin(tokens, ends) | (length + 1 >= self.config.max_length)
        just_ended = ended.clone()
        just_ended[:, num_beams:] = False  # the surplus only runs on
        if bool(just_ended.any()):
            self._finish(scores, parents, tokens, just_ended, length)
        going_on = scores + ended.float() * IMPOSSIBLE
        best = going_on.topk(num_beams).indices
        self.running_scores = going_on.gather(1, best)
        parents = parents.gather(1, best)
        self.running[:, :, :length] = self.running[:, :, :length].gather(1, parents[:, :, None].expand(-1, -1, length))
        self.running[:, :, length] = tokens.gather(1, best)
        return parents

    def _finish(self, scores, parents, tokens, just_ended, length: int) -> None:
        """Merge beams that just ended into the best finished ones."""
        scores = scores / (length**self.config.length_penalty)
        if self.config.early_stopping is True:
            scores = scores + self.is_finished.all(1, keepdim=True).float() * IMPOSSIBLE
        scores = scores + (~just_ended).float() * IMPOSSIBLE
        sequences = self.running.gather(1, parents[:, :, None].expand(-1, -1, self.running.shape[2]))
        sequences[:, :, length] = tokens
        best = torch.cat((self.scores, scores), dim=1).topk(self.config.num_beams).indices

        def merge(old, new):
            both = torch.cat((old, new), dim=1)
            return both.gather(1, best[:, :, None].expand(-1, -1, both.shape[2]) if both.dim() == 3 else best)

        self.finished, self.scores = merge(self.finished, sequences), merge(self.scores, scores)
        self.lengths = merge(self.lengths, torch.full_like(tokens, length))
        self.is_finished = merge(self.is_finished, just_ended)

    def can_improve(self, length: int) -> torch.Tensor:
        """Tell for each sentence, as the library does, whether a running beam may still beat its finished ones."""
        config = self.config
        is_patient = config.early_stopping == "never" and config.length_penalty > 0
        forecast = (config.max_length if is_patient else length) - 1
        best_running = self.running_scores[:, :1] / forecast**config.length_penalty
        worst = torch.where(self.is_finished, self.scores.min(1, keepdim=True).values, IMPOSSIBLE)
        improves = (best_running > worst).any(1)
        return improves & ~self.is_finished.all(1) if config.early_stopping is True else improves

    def keep(self, rows: torch.Tensor) -> None:
        """Drop all sentences but these."""
        for name in ("running", "finished", "running_scores", "scores", "lengths", "is_finished"):
            setattr(self, name, getattr(self, name).index_select(0, rows))


def top(scores: torch.Tensor, k: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the k highest of each row, and where they stand: first the k highest blocks, then the highest in these."""
    num_blocks = scores.shape[1] // BLOCK
    if scores.shape[1] % BLOCK or num_blocks < 4 * k:
        return scores.topk(k)
    blocks = scores.view(len(scores), num_blocks, BLOCK)
    best = blocks.amax(2).topk(k).indices
    chosen = blocks.gather(1, best[:, :, None].expand(-1, -1, BLOCK)).flatten(1)
    values, places = chosen.topk(k)
    return values, best.gather(1, places // BLOCK) * BLOCK + places % BLOCK


def beam_search(
    model, prompt, memory, memory_mask, angles, config, ends: torch.Tensor, fill: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return each sentence's best `num_return_sequences` token sequences, best first, and below each other; scores."""
    hypotheses = Hypotheses(len(prompt), config, prompt, fill)
    decoder = IncrementalDecoder(model, memory, memory_mask, angles, config.num_beams)
    sequences, scores, lengths = (part.clone() for part in (hypotheses.finished, hypotheses.scores, hypotheses.lengths))
    sentences = torch.arange(len(prompt), device=prompt.device)
    is_open, num_open = torch.ones_like(sentences, dtype=torch.bool), len(sentences)
    tokens = prompt
    for length in range(1, config.max_length):
        logits = decoder.step(tokens, length - 1)
        log_probs = F.log_softmax(logits.float(), dim=-1)
        log_probs += hypotheses.running_scores[:, : tokens.shape[1]].reshape(-1, 1)
        decoder.follow(hypotheses.extend(log_probs, length, ends))
        goes_on = is_open & hypotheses.can_improve(length + 1) & (length + 1 < config.max_length)
        num_going_on = int(goes_on.sum())
        if num_going_on < num_open:
            closed = (is_open & ~goes_on).nonzero().squeeze(1)
            sequences[sentences[closed]] = hypotheses.finished[closed]
            scores[sentences[closed]] = hypotheses.scores[closed]
            lengths[sentences[closed]] = hypotheses.lengths[closed]
        is_open, num_open = goes_on, num_going_on
        if num_open == 0:
            break
        if num_open <= KEPT * len(is_open):
            rows = is_open.nonzero().squeeze(1)
            hypotheses.keep(rows)
            decoder.keep(rows)
            sentences, is_open = sentences[rows], is_open[rows]
        tokens = hypotheses.running[:, :, length]
    returned = config.num_return_sequences
    sequences = sequences[:, :returned, : 1 + int(lengths[:, :returned].max())]
    return sequences.flatten(0, 1), scores[:, :returned].flatten()
