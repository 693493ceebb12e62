"""Validation BLEU as a module of `evaluate`: evaluate.load("league/tasks/bleu.py") needs no network."""

import datasets
import evaluate
import sacrebleu


class ValidationBleu(evaluate.Metric):
    """SacreBLEU's corpus BLEU with its defaults, on plain strings: one prediction and one reference a sentence."""

    def _info(self) -> evaluate.MetricInfo:
        text = datasets.Value("string")
        return evaluate.MetricInfo(
            description=self.__doc__,
            citation="Post, A Call for Clarity in Reporting BLEU Scores, WMT 2018",
            inputs_description="predictions and references: two lists of strings of the same length",
            features=datasets.Features({"predictions": text, "references": text}),
        )

    def _compute(self, predictions: list[str], references: list[str]) -> dict[str, float]:
        return {"bleu": sacrebleu.corpus_bleu(predictions, [references]).score}
