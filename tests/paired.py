"""The paired test on translations, as the tests of its users need it."""

from league.tasks import bleu
from league.tasks.resampling import p_value


def paired_test(first: list[str], other: list[str], references: list[str]) -> tuple[tuple[float, float], float]:
    """Return both BLEU scores, and the chance of so large a difference if translations were swapped at random."""
    sides = [bleu.statistics(lines, references) for lines in (first, other)]
    return tuple(bleu.value(side.sum(0)).item() for side in sides), p_value(bleu, *sides)
