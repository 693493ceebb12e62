"""What is measured on: the options of the command line, the data, the league's rules, the environment."""

import hashlib
import json
import platform
from dataclasses import dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any

from benchmarks.shared import ROOT, progress
from league.errors import UserError
from league.files import digest_of
from league.rulebook import League, Stage
from league.threads import cores
from league.values import check_data_dir, check_model_hp
from league_config import AING, TWEETS, ModelHP

CACHE = ROOT / ".cache" / "bench"
PACKAGES = ("torch", "transformers", "tokenizers", "accelerate", "ctranslate2")
STRUCTURE = ("d_model", "nhead", "num_layers", "d_ff")
DEMO_PAIRS = {"train": 20_000, "validation": 1_000, "test": 1_000}
REGISTERS = {"multi30k": "captions", "iwslt2017": "talks"}


def _help(text: str, default: Any = None) -> Any:
    return field(default=default, metadata={"help": text})


@dataclass
class BenchOptions:
    d_model: int = _help("width of the models", 256)
    nhead: int = _help("attention heads", 4)
    num_layers: int = _help("layers of the encoder, and of the decoder", 3)
    d_ff: int = _help("width inside the feed-forward blocks", 1024)
    data_dir: str | None = _help("folder with local text files, as for the scripts (default: the demo's corpus)")
    rounds: int = _help("rounds in which the arms alternate", 5)
    steps: int = _help("training steps a round", 20)
    seconds: int = _help("busy: how long a round takes for each arm and each kind of company", 10)
    warm_up: int = _help("training steps before the first round: at first, kernels are compiled for each shape", 100)
    sentences: int = _help("test sentences that the scoring part translates", 1_000)
    checkpoint: str | None = _help("scoring: a trained checkpoint, runs/ENTRY/finetune (default: trained here)")
    marian: str | None = _help("scoring: a trained MarianMTModel with its tokenizer (default: trained here)")
    marian_steps: int = _help("scoring: steps for the models that are trained here", 600)
    pairs: list[int] = field(
        default_factory=lambda: [20_000, 200_000, 2_000_000], metadata={"help": "data: sizes to measure"}
    )
    output: str | None = _help("where to write the result (default: .cache/bench/bench.json)")

    @property
    def structure(self) -> dict[str, int]:
        return {name: getattr(self, name) for name in STRUCTURE}


def flags_of(structure: dict[str, int]) -> list[str]:
    """Return a structure as the flags of a script."""
    return [word for name, value in structure.items() for word in (f"--{name}", str(value))]


def check(options: BenchOptions, parts: list[str]) -> None:
    """Refuse what cannot be measured, before any work."""
    check_model_hp(ModelHP(**options.structure))
    check_data_dir(options.data_dir)
    for name in ("rounds", "steps", "seconds", "warm_up", "sentences", "marian_steps"):
        if getattr(options, name) < 1:
            raise UserError(f"--{name} {getattr(options, name)}: must be at least 1.")
    if options.marian_steps < 50:
        raise UserError(f"--marian_steps {options.marian_steps}: a model of fewer than 50 steps only babbles.")
    if min(options.pairs) < 100:
        raise UserError(f"--pairs {min(options.pairs)}: must be at least 100.")
    needed = options.warm_up + options.rounds * options.steps
    for part, league in (("training", AING), ("readers", TWEETS)):
        most = league.pretrain.arguments["max_steps"]
        if part in parts and needed >= most:
            raise UserError(
                f"--rounds {options.rounds} --steps {options.steps}: with those to warm up they are {needed} steps; "
                f"stage A has {most}: take fewer."
            )
    for name, file in (("checkpoint", "model.safetensors"), ("marian", "config.json")):
        folder = getattr(options, name)
        if folder is not None and not (Path(folder) / file).is_file():
            raise UserError(f"--{name} {folder}: holds no {file}.")


@dataclass(frozen=True)
class Bench:
    """One run of the benchmark: its options, the folder with the text files, and a folder for what may go."""

    options: BenchOptions
    data_dir: Path
    folder: Path


def text_files(options: BenchOptions, folder: Path) -> Path:
    """Return the folder of the data; without --data_dir, write the demo's corpus in its form."""
    if options.data_dir:
        return Path(options.data_dir).resolve()
    for name, register in REGISTERS.items():
        for split, count in DEMO_PAIRS.items():
            write_pairs(folder / name, register, split, max(count, options.sentences if split == "test" else 0))
    return folder


def write_pairs(folder: Path, register: str, split: str, count: int, unique: int = 200_000) -> None:
    """Write generated pairs. Beyond `unique` they come again, numbered; in training one in four is numbered anyway."""
    from league.data.demo.generate import generate_pairs

    folder.mkdir(parents=True, exist_ok=True)
    pairs = list(generate_pairs(register, split, min(count, unique), seed=1))
    with open(folder / f"{split}.de", "w") as german, open(folder / f"{split}.en", "w") as english:
        for i in range(count):
            # The generator's words alone are too few for a vocabulary of 8,000; a language's do not grow without end.
            number = f" {i % 100_000}" if i >= unique or (split == "train" and i % 4 == 0) else ""
            for file, text in zip((german, english), pairs[i % unique], strict=True):
                file.write(f"{text}{number}\n")


def read_test(data_dir: str, count: int) -> tuple[list[str], list[str]]:
    """Return the first sources and references of the captions' test split."""
    from league.data.corpora import load_split

    test = load_split(AING, AING.pretrain.corpus, "test", data_dir)
    return list(islice(test.sources, count)), list(islice(test.targets, count))


def bench_league(steps: int, league: League = AING, finetune_steps: int = 1, **of_corpora: Any) -> League:
    """Return a league in fewer steps, stage A's schedule in proportion, and with little to validate."""

    def shorter(stage: Stage, **arguments: Any) -> Stage:
        corpus = replace(stage.corpus, num_validation_pairs=50, **of_corpora)
        return Stage(corpus, {**stage.arguments, **arguments})

    before = league.pretrain.arguments
    share = steps / before["max_steps"]
    decay = before["lr_scheduler_kwargs"]
    pretrain = shorter(
        league.pretrain,
        max_steps=steps,
        warmup_steps=max(1, int(before["warmup_steps"] * share)),
        lr_scheduler_kwargs=decay | {"num_decay_steps": max(1, int(decay["num_decay_steps"] * share))},
    )
    finetune = shorter(league.finetune, max_steps=finetune_steps)
    return replace(league, name="bench", minutes=1e6, pretrain=pretrain, finetune=finetune)  # no clock ends a round


def make_cache() -> Path:
    """Return the folder of what is kept between two runs, which git ignores."""
    CACHE.mkdir(parents=True, exist_ok=True)
    (CACHE / ".gitignore").write_text("*\n")
    return CACHE


def cache_folder(kind: str, data_dir: Path, *determined_by: Any) -> Path:
    """Return where a model that the benchmark trained is kept, by all that determines it."""
    cache = make_cache()
    files = [data_dir / "multi30k" / f"train.{language}" for language in ("de", "en")]
    for path in files:
        if not path.is_file():
            raise UserError(f"--data_dir: {path} is missing.")
    key = json.dumps([*map(digest_of, files), *determined_by], sort_keys=True)
    return cache / f"{kind}-{hashlib.sha256(key.encode()).hexdigest()[:16]}"


def has_ctranslate2() -> bool:
    return find_spec("ctranslate2") is not None


def describe_machine() -> dict[str, Any]:
    """Return what the figures depend on, and nothing that names the machine or its user."""
    import torch

    from league import hardware
    from league.record.code import code_digest

    progress("looking at the machine")
    versions = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = None
    return {
        "system": platform.system(),
        "cpu": _cpu_model(),
        "cores": cores(),
        "gpu": hardware.device_name() if hardware.has_gpu() else None,
        "threads": torch.get_num_threads(),
        "precision": hardware.pick_precision(),
        "versions": versions,
        "code": code_digest()[:16],
    }


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
