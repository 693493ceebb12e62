"""The command line, the same for the three scripts: flags from dataclasses, and nothing that is not understood."""

import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from dataclasses import MISSING, Field, fields
from difflib import get_close_matches
from types import NoneType
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from league.errors import UserError
from league.rulebook import SCRIPTS, STAGES, League, Range
from league.values import Options, check_options
from league_config import LEAGUES


def parse_stage_options(description: str, kind: type, stage: str, argv: list[str] | None) -> tuple[Any, Any]:
    """Parse a training script's command line: its options, and the TUNE values that its league has in this stage."""
    argv = sys.argv[1:] if argv is None else argv
    return parse_options(description, kind, league_asked(argv).tuned(stage), argv=argv)


def league_asked(argv: list[str]) -> League:
    """Return the league that a command line asks for; whether it asks well is for `parse_options` to say."""
    parser = _Parser(add_help=False, allow_abbrev=False)
    parser.add_argument("--league")
    parser.add_argument("--from", dest="settings_file")
    asked, _ = parser.parse_known_args(argv)
    if asked.league is None and asked.settings_file:
        from league.record.settings import read_settings

        asked.league = read_settings(asked.settings_file).league
    return LEAGUES.get(asked.league, LEAGUES[Options.league])


def parse_options(
    description: str, *kinds: type, argv: list[str] | None = None, words: dict[str, dict[str, Any]] | None = None
) -> tuple:
    """Parse the command line into one object for each dataclass in `kinds`, and one for the `words` without a flag."""
    parser = _Parser(
        prog=_command(), description=description, allow_abbrev=False, formatter_class=RawDescriptionHelpFormatter
    )
    for kind in kinds:
        _add_fields(parser, kind)
    for name, settings in (words or {}).items():
        parser.add_argument(name, **settings)
    argv = [_underscored(word) for word in (sys.argv[1:] if argv is None else argv)]
    values, leftovers = parser.parse_known_args(argv)
    settings = None
    if path := getattr(values, "settings_file", None):
        from league.record.settings import read_settings

        settings = read_settings(path)
        names = {item.name for kind in kinds for item in fields(kind)}
        defaults = {"league": settings.league, "seed": settings.seed} | settings.values
        parser.set_defaults(**{name: value for name, value in defaults.items() if name in names})
        values, leftovers = parser.parse_known_args(argv)
    if leftovers:
        unknown = next((word for word in leftovers if word.startswith("-")), leftovers[0]).split("=")[0]
        parser.error(f"unknown flag or value {unknown!r}{_remedy(unknown, kinds)}")
    parsed = [kind(**{item.name: vars(values).pop(item.name) for item in fields(kind)}) for kind in kinds]
    for options in parsed:
        if isinstance(options, Options):
            options.settings = settings
            check_options(options)
    return (*parsed, values) if words else tuple(parsed)


def _underscored(word: str) -> str:
    """Spell a flag as ours are: --no-final is --no_final, as in the library's own scripts."""
    flag, equals, value = word.partition("=")
    return flag.replace("-", "_").replace("__", "--", 1) + equals + value if flag.startswith("--") else word


def _command() -> str | None:
    """Return how a tool is started, which argparse would call __main__.py; None where it knows better."""
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    if spec is None or not spec.name.startswith(("tools.", "benchmarks")):
        return None
    return f"python -m {spec.name.removesuffix('.__main__')}"


def _remedy(unknown: str, kinds: tuple[type, ...]) -> str:
    """Say where a flag belongs that this command does not know."""
    for stage in STAGES:
        if any(unknown in map(_flag, fields(league.tuned(stage))) for league in LEAGUES.values()):
            return f", which is one of {SCRIPTS[stage]}"
    close = get_close_matches(unknown, (_flag(item) for kind in kinds for item in fields(kind)), 1)
    return f", did you mean {close[0]}?" if close else ""


class _Parser(ArgumentParser):
    # Not HfArgumentParser: its import alone takes longer than all else before a --help, and what it adds is not needed.
    def error(self, message):
        raise UserError(f"{message.rstrip('.')}; {self.prog} --help lists the flags.")


def _add_fields(parser: ArgumentParser, kind: type) -> None:
    """Add a flag for each field of a dataclass, under its own name."""
    hints = get_type_hints(kind, include_extras=True)
    for item in fields(kind):
        hint, settings = hints[item.name], {"dest": item.name} | item.metadata
        settings.pop("flag", None)
        if get_origin(hint) is Annotated:  # a TUNE value: its range and its help stand in its annotation
            hint, searched, text = get_args(hint)
            settings["help"] = f"{text} (default {item.default}; searched: {_span(searched)})"
        if get_origin(hint) is list:
            settings["nargs"] = "+"
        hint = next((part for part in get_args(hint) if part is not NoneType), hint)  # of "str | None" str
        settings |= {"action": "store_true"} if hint is bool else {"type": hint}
        default = item.default if item.default_factory is MISSING else item.default_factory()
        parser.add_argument(_flag(item), default=default, **settings)


def _flag(item: Field) -> str:
    return f"--{item.metadata.get('flag', item.name)}"


def _span(searched: Range | tuple) -> str:
    return f"{searched.low:g} to {searched.high:g}" if isinstance(searched, Range) else ", ".join(map(str, searched))
