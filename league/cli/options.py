"""The command line, the same for the three scripts, and the check of every value before any work."""

import os
import re
import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from dataclasses import MISSING, Field, asdict, dataclass, field, fields
from difflib import get_close_matches
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from league.errors import UserError
from league_config import LEAGUES, FinetuneHP, League, ModelHP, Range

# Far beyond what 120 minutes can train: a slip of the finger should not fill the memory.
MOST = {"d_model": 4096, "nhead": 256, "num_layers": 64, "d_ff": 65_536}
SCHEDULERS = get_type_hints(FinetuneHP, include_extras=True)["lr_scheduler_type"].__metadata__[0]


def _help(text: str) -> dict[str, str]:
    return {"help": text}


@dataclass
class Options:
    """What the three scripts share."""

    league: str = field(default="aing", metadata={"help": "rule book (default: aing)", "choices": LEAGUES.keys()})
    entry: str | None = field(
        default=None, metadata=_help("name of this attempt, the folder runs/ENTRY (baseline; demo in the demo league)")
    )
    data_dir: str | None = field(
        default=None,
        metadata=_help("folder with local text files, DIR/CORPUS/{train,validation,test}.{de,en}, instead of the Hub"),
    )
    seed: int = field(default=1, metadata=_help("seed of weights, dropout and data order (default: 1)"))
    report_to: str = field(default="none", metadata=_help("experiment tracker: tensorboard, wandb, trackio"))
    push_to_hub: bool = field(default=False, metadata=_help("upload the entry to the Hub when done"))
    hub_model_id: str | None = field(default=None, metadata=_help("name on the Hub (default: the entry's name)"))
    hub_private_repo: bool = field(
        default=False, metadata=_help("make the repository private (default: as your account makes new ones)")
    )
    settings_file: str | None = field(
        default=None,
        metadata={"flag": "from", "metavar": "FILE"}
        | _help("best.json of a search: league, seed and the ten values; a flag beside it wins, its time counts"),
    )
    settings = None  # what stands in it

    def __post_init__(self):
        if self.entry is None:
            self.entry = "demo" if self.league == "demo" else "baseline"

    @property
    def rules(self) -> League:
        return LEAGUES[self.league]


@dataclass
class TrainingOptions(Options):
    """What the two training scripts share besides."""

    device_batch_size: int | None = field(
        default=None,
        metadata=_help("pairs that one device holds at a time; fewer need less memory, the global batch stays"),
    )


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
        settings = read_settings(path)
        names = {item.name for kind in kinds for item in fields(kind)}
        told = {name: settings[name] for name in ("league", "seed")} | settings["model_hp"] | settings["finetune_hp"]
        parser.set_defaults(**{name: value for name, value in told.items() if name in names})
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
    return f"python -m {spec.name.removesuffix('.__main__')}" if spec and spec.name.startswith("tools.") else None


def _remedy(unknown: str, kinds: tuple[type, ...]) -> str:
    """Say where a flag belongs that this command does not know."""
    for kind, script in ((ModelHP, "train_pretrain.py"), (FinetuneHP, "train_finetune.py")):
        if unknown in map(_flag, fields(kind)):
            return f", which is one of {script}"
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


def read_settings(path: str) -> dict[str, Any]:
    """Read the file that a search leaves: its league, its seed, the best values, and what they cost."""
    from league.record.shape import SETTINGS, problems, read_json

    try:
        settings = read_json(Path(path))
        if wrong := problems(settings, SETTINGS, "it"):
            raise ValueError(wrong[0])
        if settings["league"] not in LEAGUES:
            raise ValueError(f"it is of the league {settings['league']!r}, which league_config.py does not know")
        if settings["minutes"] < 0:
            raise ValueError(f"its minutes are {settings['minutes']}")
        return settings
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"--from {path}: {reason}; python -m tools.tune writes such a file, best.json.") from None


def check_entry_name(flag: str, name: str) -> None:
    """Refuse a name that could lead out of runs/."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", name):
        raise UserError(
            f"{flag} {name!r}: a name is up to 64 letters, digits, '.', '_' and '-', and starts with a letter or digit."
        )


def check_data_dir(data_dir: str | None) -> None:
    """Refuse a folder that is not there."""
    if data_dir is not None and not os.path.isdir(data_dir):
        raise UserError(f"--data_dir {data_dir!r}: is not a folder.")


def check_options(options: Options) -> None:
    """Refuse what cannot be a run, naming the flag, the value and the rule."""
    check_entry_name("--entry", options.entry)
    if not 0 <= options.seed < 2**31:
        raise UserError(f"--seed {options.seed}: must be between 0 and {2**31 - 1}.")
    check_data_dir(options.data_dir)
    _check_integrations(options)


def _check_integrations(options: Options) -> None:
    # Names that the libraries would refuse hours later, or with a traceback.
    if options.report_to != "none":
        from transformers.integrations import get_available_reporting_integrations

        installed = ["none", *get_available_reporting_integrations()]
        if options.report_to not in installed:
            raise UserError(
                f"--report_to {options.report_to!r}: not installed here: pip install {options.report_to}, "
                f"or take {' or '.join(installed)}."
            )
    if options.push_to_hub:
        check_repo_name("--hub_model_id", options.hub_model_id or options.entry)
        from huggingface_hub import get_token

        if get_token() is None:
            raise UserError(
                "--push_to_hub: no login to the Hub: `hf auth login`, or set HF_TOKEN; "
                f"or leave it out, and upload later: python -m tools.push runs/{options.entry}"
            )


def check_repo_name(flag: str, name: str, owned: bool = False) -> None:
    """Refuse what cannot name a repository on the Hub; `owned` asks for its owner, too."""
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    try:
        validate_repo_id(name)
    except HFValidationError as error:
        raise UserError(f"{flag} {name!r}: {error}") from None
    if owned and "/" not in name:
        raise UserError(f"{flag} {name!r}: say whose it is, OWNER/{name}.")


def check_model_hp(hp: ModelHP) -> None:
    """Refuse a structure that cannot be built."""
    for name in ("d_model", "nhead", "num_layers", "d_ff"):
        _demand(1 <= getattr(hp, name) <= MOST[name], name, hp, f"must be between 1 and {MOST[name]:,}")
    _demand(hp.d_model % hp.nhead == 0, "d_model", hp, f"must be divisible by nhead ({hp.nhead})")
    width = hp.d_model // hp.nhead
    _demand(width % 2 == 0, "d_model", hp, f"d_model / nhead is {width} and must be even to carry rotary positions")
    _demand(0 <= hp.dropout < 1, "dropout", hp, "must be at least 0 and below 1")


def check_finetune_hp(hp: FinetuneHP, max_steps: int) -> None:
    """Refuse an optimizer or schedule that cannot run for `max_steps`."""
    _demand(0 < hp.learning_rate <= 1000, "learning_rate", hp, "must be above 0, and no more than 1000")
    _demand(hp.lr_scheduler_type in SCHEDULERS, "lr_scheduler_type", hp, f"must be one of {', '.join(SCHEDULERS)}")
    _demand(
        0 <= hp.warmup_steps <= max_steps, "warmup_steps", hp, f"must be between 0 and the {max_steps} steps of the run"
    )
    whole = hp.warmup_steps < 1 or hp.warmup_steps == int(hp.warmup_steps)
    _demand(whole, "warmup_steps", hp, "must be a whole number, or a share below 1")
    _demand(0 <= hp.weight_decay < 1, "weight_decay", hp, "must be at least 0 and below 1")
    _demand(0 <= hp.label_smoothing_factor < 1, "label_smoothing_factor", hp, "must be at least 0 and below 1")


def _demand(holds: bool, name: str, hp: Any, rule: str) -> None:
    if not holds:
        raise UserError(f"--{name} {getattr(hp, name)}: {rule}.")


def as_values(hp: Any) -> dict[str, Any]:
    """Return the values of a TUNE block, whole numbers as such (the training arguments tell 50 from 50.0)."""
    values = asdict(hp)
    for item in fields(hp):
        value = values[item.name]
        if isinstance(value, float) and value >= 1 and value.is_integer():
            values[item.name] = int(value)
    return values
