"""The settings that a search leaves in best.json, which --from takes."""

from dataclasses import fields
from pathlib import Path
from typing import Annotated

from msgspec import Meta, Struct

from league.errors import UserError
from league.record.shape import GameId
from league.rulebook import League
from league.untrusted import Count, Key, Name, Scalar, as_type, read_as
from league_config import LEAGUES


class Settings(Struct, forbid_unknown_fields=True, omit_defaults=True):
    """The best values, and what they cost to find."""

    league: Name
    seed: Count
    model_hp: dict[Key, Scalar]
    finetune_hp: dict[Key, Scalar]
    trials: Count
    minutes: Annotated[float, Meta(ge=0, lt=1e15)]
    game: GameId | None = None  # in which the search was made

    @property
    def what(self) -> str:
        """Return by what a game knows this search."""
        return f"search of {self.trials} trials in {self.minutes:g} minutes"

    @property
    def values(self) -> dict[str, int | float | str]:
        return self.model_hp | self.finetune_hp

    def values_of(self, rules: League, stage: str) -> dict[str, int | float | str]:
        """Return what a league tunes in a stage, as far as the search of this or another league has values for it."""
        names = (item.name for item in fields(rules.tuned(stage)))
        return {name: self.values[name] for name in names if name in self.values}


def read_settings(path: str) -> Settings:
    """Read a file that anyone may have written as the settings of a league that is known here."""
    try:
        settings = read_as(Settings, Path(path))
        if settings.league not in LEAGUES:
            raise ValueError(f"it is of the league {settings.league!r}, which league_config.py does not know")
        for stage, values in (("pretrain", settings.model_hp), ("finetune", settings.finetune_hp)):
            kind = LEAGUES[settings.league].tuned(stage)
            as_type(kind, values)
            if others := values.keys() ^ {item.name for item in fields(kind)}:
                raise ValueError(f"{min(others)!r:.80} is missing, or not a value of the league")
        return settings
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"--from {path}: {reason}; python -m tools.tune writes such a file, best.json.") from None
