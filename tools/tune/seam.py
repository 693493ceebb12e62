"""What the tuner asks a league: which values a stage tunes, which of them can run, what a model costs."""

from typing import Any

from league.values import check_finetune_hp, check_model_hp
from league_config import FinetuneHP, League, ModelHP

KINDS = {"pretrain": ModelHP, "finetune": FinetuneHP}


def tuned(rules: League, stage: str) -> type:
    """Return the dataclass of a stage's TUNE values."""
    return KINDS[stage]


def check(rules: League, stage: str, values: Any) -> None:
    """Refuse TUNE values that cannot be trained."""
    if stage == "pretrain":
        check_model_hp(values)
    else:
        check_finetune_hp(values, rules.finetune.arguments["max_steps"])


def work(rules: League, structure: dict[str, Any]) -> float:
    """Return the multiplications of a token on its way through encoder and decoder, in thousands."""
    d_model, d_ff, num_layers = (structure[name] for name in ("d_model", "d_ff", "num_layers"))
    layer = 12 * d_model**2 + 4 * d_model * d_ff
    # What each layer costs besides its products: norms, dropout, attention over short sentences, calls.
    return (num_layers * (layer + 900 * d_model) + rules.vocab_size * d_model) / 1000


def label(rules: League) -> str:
    """Return what the metric is called in texts."""
    return "BLEU"
