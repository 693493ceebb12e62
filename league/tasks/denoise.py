"""The task of the summaries' stage A: texts whose words are hidden in spans and whose sentences are out of order."""

from collections.abc import Sequence

from league.tasks.writing import Writer, marks


class Denoise(Writer):
    def references(self, split) -> Sequence[str]:
        return split.sources

    def collator(self, model, seed: int):
        from league.tasks.infilling import InfillingCollator

        return InfillingCollator(model, seed, marks(), self.settings)

    def validate(self, model, tokenizer, split, progress: str | None = None) -> dict[str, float]:
        """Return how many hidden tokens the model names, and its perplexity on them; the noise is always the same."""
        import numpy as np
        from torch.nn import functional as F

        from league.data.batches import PairCollator, pad
        from league.tasks.infilling import corrupt
        from league.tasks.predicting import name_hidden

        rows = self.encode(tokenizer, self.inputs(split))
        collate = PairCollator(model)

        def counts_of(batch: list[int]) -> list[tuple[int, int, float]]:
            pairs, hidden = [], []
            for i in batch:
                ids, source = np.array(rows[i]), np.random.default_rng([self.rules.sample_seed, i])
                noised, is_hidden = corrupt(ids, marks(), self.settings, source)
                pairs.append({"input_ids": noised, "labels": ids})
                hidden.append(is_hidden)
            tensors = {name: tensor.to(model.device) for name, tensor in collate(pairs).items()}
            labels = tensors.pop("labels")
            logits = model(**tensors, use_cache=False).logits.float()
            is_asked = pad(hidden, False).to(model.device) > 0
            losses = F.cross_entropy(logits.transpose(1, 2), labels, reduction="none") * is_asked
            right = (logits.argmax(-1) == labels) & is_asked
            sums = (part.cpu().double().sum(1).tolist() for part in (right, is_asked, losses))
            return [(int(named), int(asked), loss) for named, asked, loss in zip(*sums, strict=True)]

        return name_hidden(self, model, rows, counts_of, progress)


TASK = Denoise
