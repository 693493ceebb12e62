"""The names of the values that the leagues of translation tune."""

from dataclasses import fields

from league_config import FinetuneHP, ModelHP

STRUCTURE = tuple(item.name for item in fields(ModelHP))
SCHEDULE = tuple(item.name for item in fields(FinetuneHP))
