"""The values that a command is given: what they are called, and the check of each before any work."""

import os
import re
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from league.errors import UserError
from league.rulebook import League
from league_config import LEAGUES, SCHEDULES, FinetuneHP, ModelHP

# Far beyond what 120 minutes can train: a slip of the finger should not fill the memory.
MOST = {"d_model": 4096, "nhead": 256, "num_layers": 64, "d_ff": 65_536}
GAME_VARIABLE = "LEAGUE_GAME"


def readable(value: Any, digits: int = 4) -> str:
    """Return a value as all pages and screens show it: 1e-4 rather than 0.0001 or 1e-04."""
    if not isinstance(value, float):
        return str(value)
    text = f"{value:.{digits}g}" if value == 0 or abs(value) > 1e-3 else f"{value:.{digits - 1}e}"
    return re.sub(r"(\.\d*?)0*e([-+])0*", r"\1e\2", text).replace(".e", "e").replace("e+", "e")


def _help(text: str) -> dict[str, str]:
    return {"help": text}


GAME_HELP = _help("game whose clock all its entries share; LEAGUE_GAME says it once (default: practice)")


@dataclass
class Options:
    """What the three scripts share."""

    league: str = field(default="aing", metadata={"help": "rule book (default: aing)", "choices": LEAGUES.keys()})
    entry: str | None = field(
        default=None, metadata=_help("name of this attempt, the folder runs/ENTRY (baseline; demo in the demo league)")
    )
    data_dir: str | None = field(
        default=None,
        metadata=_help(
            "folder with the data, instead of the Hub: DIR/CORPUS/{train,validation,test}.{de,en}, .txt, .jsonl, .csv "
            "or .parquet, as the league's data are"
        ),
    )
    game: str | None = field(default=None, metadata=GAME_HELP)
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
        | _help("best.json of a search: league, seed and the tuned values; a flag beside it wins, its time counts"),
    )
    settings = None  # what stands in it, a league.record.settings.Settings

    def __post_init__(self):
        if self.entry is None:
            self.entry = "demo" if self.league == "demo" else "baseline"
        if self.game is None:  # an empty one is practice, whatever the environment says
            self.game = os.environ.get(GAME_VARIABLE, "")

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


def is_entry_name(name: str) -> bool:
    return re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", name) is not None


def check_entry_name(flag: str, name: str) -> None:
    """Refuse a name that could lead out of runs/."""
    if not is_entry_name(name):
        raise UserError(
            f"{flag} {name!r}: a name is up to 64 letters, digits, '.', '_' and '-', and starts with a letter or digit."
        )


def check_data_dir(data_dir: str | None) -> None:
    """Refuse a folder that is not there."""
    if data_dir is not None and not os.path.isdir(data_dir):
        raise UserError(f"--data_dir {data_dir!r}: is not a folder.")


@dataclass
class DataDirOptions:
    """What tools share that read the data."""

    data_dir: str | None = field(default=None, metadata=_help("folder with local text files, as for the scripts"))

    def __post_init__(self):
        check_data_dir(self.data_dir)


def check_options(options: Options) -> None:
    """Refuse what cannot be a run, naming the flag, the value and the rule."""
    check_entry_name("--entry", options.entry)
    if options.game:
        check_entry_name("--game", options.game)
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
        demand(1 <= getattr(hp, name) <= MOST[name], name, hp, f"must be between 1 and {MOST[name]:,}")
    demand(hp.d_model % hp.nhead == 0, "d_model", hp, f"must be divisible by nhead ({hp.nhead})")
    width = hp.d_model // hp.nhead
    demand(width % 2 == 0, "d_model", hp, f"d_model / nhead is {width} and must be even to carry rotary positions")
    demand(0 <= hp.dropout < 1, "dropout", hp, "must be at least 0 and below 1")


def check_finetune_hp(hp: FinetuneHP, max_steps: int) -> None:
    """Refuse an optimizer or schedule that cannot run for `max_steps`."""
    demand(0 < hp.learning_rate <= 1000, "learning_rate", hp, "must be above 0, and no more than 1000")
    demand(hp.lr_scheduler_type in SCHEDULES, "lr_scheduler_type", hp, f"must be one of {', '.join(SCHEDULES)}")
    demand(
        0 <= hp.warmup_steps <= max_steps, "warmup_steps", hp, f"must be between 0 and the {max_steps} steps of the run"
    )
    whole = hp.warmup_steps < 1 or hp.warmup_steps == int(hp.warmup_steps)
    demand(whole, "warmup_steps", hp, "must be a whole number, or a share below 1")
    demand(0 <= hp.weight_decay < 1, "weight_decay", hp, "must be at least 0 and below 1")
    demand(0 <= hp.label_smoothing_factor < 1, "label_smoothing_factor", hp, "must be at least 0 and below 1")


def demand(holds: bool, name: str, hp: Any, rule: str) -> None:
    """Refuse a value, naming its flag and the rule that it breaks."""
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
