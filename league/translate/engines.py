"""What searches for translations: the model's own beam search, or the same model in CTranslate2."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from league.errors import UserError
from league.hardware import best_device
from league.rulebook import League
from league.tasks.decoding import Candidate, search
from league.tasks.packed import pack
from league.tasks.predicting import batches_by_length, side_by_side

# The league's search does not stop when as many beams have ended as there are, but when it can hardly gain: here, after
# so many times as many. In int8 the translations differ anyway, and the shorter search scores no less.
PATIENCE = {"float32": 2.5, "int8": 1.0}
CT2_BATCH = 256  # source tokens, padding included: larger batches leave the processor's caches
MOST_WORKERS = 16


class TorchEngine:
    """Translates as the league's scoring does, in its very batches: the hypotheses are the same to the last letter."""

    def __init__(self, model, rules: League):
        self.model, self.rules = model, rules
        pack(model.to(best_device()).eval())

    def search(
        self,
        rows: Sequence[list[int]],
        num_beams: int,
        n_best: int,
        tick: Callable[[int], None],
        temperature: float = 0.0,
    ) -> list[list[Candidate]]:
        """Return the `n_best` hypotheses for each row of source tokens, best first."""
        decoding = self.rules.decoding
        # More beams need more memory: then fewer sentences at a time.
        most = max(num_beams, n_best)
        size = max(1, decoding["batch_size"] * decoding["num_beams"] // max(most, decoding["num_beams"]))
        results: list[list[Candidate]] = [[] for _ in rows]
        batches = batches_by_length(rows, size)
        find = lambda batch: search(self.model, [rows[i] for i in batch], num_beams, n_best, temperature)  # noqa: E731
        # What is drawn depends on the order in which it is.
        found = map(find, batches) if temperature else side_by_side(find, batches)
        for batch, candidates in zip(batches, found, strict=True):
            for i, best in zip(batch, candidates, strict=True):
                results[i] = best
            tick(len(batch))
        return results


class CTranslate2Engine:
    """Translates with the checkpoint converted to CTranslate2; in float32, finds what the model's own search finds.

    CTranslate2 ends a search after a number of ends, the league's decoding when no beam can gain any more. So in
    float32 the search continues beyond that, and the few sentences whose best would depend on when it stops are left
    to the model itself.
    """

    def __init__(self, checkpoint: Path, model, tokenizer, rules: League, compute_type: str):
        # Read when it is loaded: weights laid out for the processor once, not in every product.
        os.environ.setdefault("CT2_USE_EXPERIMENTAL_PACKED_GEMM", "1")
        try:
            import ctranslate2
        except ImportError:
            raise UserError("--engine ctranslate2: it is not installed here; pip install ctranslate2.") from None

        from league.translate.export import convert

        self.rules, self.model, self.tokenizer = rules, model, tokenizer
        self.patience = 1.0 if rules.decoding["early_stopping"] is True else PATIENCE[compute_type]
        num_threads = torch.get_num_threads()
        self.translator = ctranslate2.Translator(
            str(convert(checkpoint, model, tokenizer)),
            device="cuda" if ctranslate2.get_cuda_device_count() else "cpu",
            compute_type=compute_type,
            # One thread for each batch: the matrices of such models are too small to share.
            inter_threads=min(num_threads, MOST_WORKERS),
            intra_threads=1,
        )
        torch.set_num_threads(num_threads)  # which are shared with it, and are now as many as a batch's

    def search(
        self,
        rows: Sequence[list[int]],
        num_beams: int,
        n_best: int,
        tick: Callable[[int], None],
        temperature: float = 0.0,
    ) -> list[list[Candidate]]:
        """Return the `n_best` hypotheses for each row of source tokens, best first."""
        if temperature:
            raise UserError(f"--temperature {temperature:g}: only --engine torch draws at random.")
        decoding, tokenizer = self.rules.decoding, self.tokenizer
        continues = self.patience > 1 and num_beams > 1
        finished = self.translator.translate_batch(
            [tokenizer.convert_ids_to_tokens(ids) for ids in rows],
            beam_size=num_beams,
            num_hypotheses=round(num_beams * self.patience) if continues else n_best,
            patience=self.patience,
            length_penalty=decoding["length_penalty"],
            # The league counts the start token.
            max_decoding_length=decoding.get("max_length", self.rules.max_length) - 1,
            return_end_token=True,  # which the league's scores count
            return_scores=True,
            batch_type="tokens",
            max_batch_size=CT2_BATCH,
        )
        ended = [list(zip(one.hypotheses, one.scores, strict=True)) for one in finished]
        open_ends = [i for i, one in enumerate(ended) if continues and depends_on_stop(one, num_beams, n_best)]
        tick(len(rows) - len(open_ends))
        results = [
            [Candidate(tokenizer.convert_tokens_to_ids(tokens), score) for tokens, score in one[:n_best]]
            for one in ended
        ]
        if open_ends:
            again = TorchEngine(self.model, self.rules).search([rows[i] for i in open_ends], num_beams, n_best, tick)
            for i, candidates in zip(open_ends, again, strict=True):
                results[i] = candidates
        return results


def depends_on_stop(ended: Sequence[tuple[Sequence, float]], num_beams: int, n_best: int) -> bool:
    """Return whether some of the best ends, which come best first, may come after the league's search has stopped.

    It stops no earlier than when as many beams have ended as there are.
    """
    lengths = sorted(len(tokens) for tokens, _ in ended)
    return len(ended) > num_beams and any(len(tokens) > lengths[num_beams - 1] for tokens, _ in ended[:n_best])
