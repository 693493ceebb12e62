"""Masked accuracy: the share of hidden tokens that a masked language model names. Stage A is validated by it."""

from league.tasks.accuracy import extras, row_values, signature, statistics, value

NAME, LABEL = "masked_accuracy", "masked accuracy"

__all__ = ["LABEL", "NAME", "extras", "row_values", "signature", "statistics", "value"]
