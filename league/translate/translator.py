"""A trained model that translates whatever it is given: `Translator("runs/mine").translate("Ein Hund läuft.")`."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from tqdm import tqdm

from league.errors import UserError
from league.record.folder import meant
from league.record.shape import read_record
from league.rulebook import League
from league.tasks.decoding import Candidate
from league.tasks.splitting import split_line
from league.tasks.task import task_of
from league.translate.engines import CTranslate2Engine, TorchEngine
from league.untrusted import read_json
from league_config import AING, DEMO_READERS, LEAGUES
from modeling import AingForConditionalGeneration

ENGINES = ("torch", "ctranslate2")
COMPUTE_TYPES = ("float32", "int8")
MAX_NUM_BEAMS = 64
# What a checkpoint may ask for whose league is not known: tokens of a sentence, entries of the vocabulary.
BOUNDS = (("max_position_embeddings", 2, 4096), ("vocab_size", 260, 200_000))


class Hypothesis(NamedTuple):
    """A translation and its score, the library's `sequences_scores`: higher is better."""

    text: str
    score: float


class Translator:
    """A checkpoint that translates, by its league's rules; no code that lies in the checkpoint is run."""

    def __init__(self, where: str | Path, engine: str = "torch", compute_type: str = "float32"):
        if engine not in ENGINES:
            raise UserError(f"--engine {engine}: choose from {', '.join(ENGINES)}.")
        if compute_type not in COMPUTE_TYPES:
            raise UserError(f"--compute_type {compute_type}: choose from {', '.join(COMPUTE_TYPES)}.")
        if engine == "torch" and compute_type != "float32":
            raise UserError(f"--compute_type {compute_type}: only --engine ctranslate2 computes in it.")
        self.checkpoint = find_checkpoint(where)
        self.rules = find_rules(self.checkpoint)
        self.task = task_of(self.rules)
        self.divides = self.task.divides_long_texts
        self.model, self.tokenizer = self.task.load_checkpoint(self.checkpoint)
        self.task.prepare(self.model)
        self.attends = isinstance(self.model, AingForConditionalGeneration)  # to its source, which can be shown
        self.reads_lines = not self.rules.test_corpus.columns  # each line is a text, and not all of them one
        if engine == "torch":
            self.engine = TorchEngine(self.model, self.rules)
        elif not self.attends:
            raise UserError(f"--engine ctranslate2: {where} is not a model of ours, which alone are converted.")
        else:
            self.engine = CTranslate2Engine(self.checkpoint, self.model, self.tokenizer, self.rules, compute_type)
        self.temperature = 0.0  # above it, texts are drawn at random, and not searched for
        self.num_long = 0  # texts so far that were too long, and were translated part by part, or cut

    def check(self, num_beams: int | None, n_best: int) -> None:
        """Refuse a search that cannot be."""
        num_beams = self.rules.decoding["num_beams"] if num_beams is None else num_beams
        if self.temperature:
            num_beams = max(num_beams, n_best)
        if not 1 <= num_beams <= MAX_NUM_BEAMS:
            raise UserError(f"--num_beams {num_beams}: must be between 1 and {MAX_NUM_BEAMS}.")
        if not 1 <= n_best <= num_beams:
            raise UserError(f"--n_best {n_best}: must be between 1 and the number of beams ({num_beams}).")

    def translate(self, sentences: str | Sequence[str], num_beams: int | None = None) -> str | list[str]:
        """Translate a string, or each of a list."""
        if isinstance(sentences, str):
            return self.translate([sentences], num_beams)[0]
        return [best.text for best, *_ in self.search(sentences, num_beams)]

    def search(
        self, sentences: Sequence[str], num_beams: int | None = None, n_best: int = 1, progress: tqdm | None = None
    ) -> list[list[Hypothesis]]:
        """Return the `n_best` translations of each sentence, best first; what is blank stays empty."""
        self.check(num_beams, n_best)
        num_beams = self.rules.decoding["num_beams"] if num_beams is None else num_beams
        rows, owners = self._encode(sentences)
        tick = progress.update if progress is not None else lambda count: None
        results = self.engine.search(rows, num_beams, n_best, tick, self.temperature) if rows else []
        parts: list[list[list[Candidate]]] = [[] for _ in sentences]
        for owner, candidates in zip(owners, results, strict=True):
            parts[owner].append(candidates)
        found = self._join(parts, n_best)
        long = [i for i, several in enumerate(parts) if len(several) > 1] if self.task.windows == "summarized" else []
        if long:
            rows = self.task.encode(self.tokenizer, [found[i][0].text for i in long])
            again = self.engine.search(rows, num_beams, n_best, lambda count: None, self.temperature)
            for i, candidates in zip(long, again, strict=True):
                (found[i],) = self._join([[candidates]], n_best)
        return found

    def best(self, sentences: Sequence[str], most: int) -> list[list[Hypothesis]]:
        """Return all that a search with so many beams finds."""
        return self.search(sentences, most, most)

    def _encode(self, sentences: Sequence[str]) -> tuple[list[list[int]], list[int]]:
        """Return rows of tokens, and which sentence each belongs to: none if blank, several if too long."""
        # Halves of surrogate pairs are in no text that can be written: they become question marks.
        texts = [text.encode(errors="replace").decode() for text in sentences]
        rows, owners = [], []
        for i, (ids, was_cut) in enumerate(self.task.encode_or_cut(self.tokenizer, texts)):
            if not texts[i].strip():
                continue
            self.num_long += was_cut
            divided = self.task.encode(self.tokenizer, self._divide(texts[i])) if was_cut and self.divides else [ids]
            rows += divided
            owners += [i] * len(divided)
        return rows, owners

    def _divide(self, text: str) -> list[str]:
        if self.task.windows:
            return self.task.divide(self.tokenizer, text)
        return split_line(text, self.rules.max_length, self._count)

    def _count(self, texts: list[str]) -> list[int]:
        return [len(item.ids) for item in self.tokenizer.backend_tokenizer.encode_batch(texts)]

    def _join(self, parts: list[list[list[Candidate]]], n_best: int) -> list[list[Hypothesis]]:
        """Turn tokens into texts; of parts of a sentence the best are joined, then the second best, and so on."""
        ranked = [list(zip(*several, strict=True)) if several else [()] * n_best for several in parts]
        ids = [one.ids for candidates in ranked for several in candidates for one in several]
        texts = iter(self.tokenizer.batch_decode(ids, skip_special_tokens=True) if ids else [])
        return [
            [
                Hypothesis(self.task.border.join(next(texts) for _ in several), self._score(several))
                for several in hypotheses
            ]
            for hypotheses in ranked
        ]

    def _score(self, several: Sequence[Candidate]) -> float:
        """Return the score of parts as if they were one: their log-probabilities together, by their length together."""
        if len(several) == 1:
            return several[0].score
        penalty = self.rules.decoding["length_penalty"]
        total = sum(one.score * len(one.ids) ** penalty for one in several)
        return total / max(1, sum(len(one.ids) for one in several)) ** penalty


def find_checkpoint(where: str | Path) -> Path:
    """Return the checkpoint of an entry (its last stage), of a folder that is one, or of a name on the Hub."""
    folder = Path(where)
    try:
        for place in (folder, folder / "finetune", folder / "pretrain"):
            if (place / "model.safetensors").is_file():
                return place
        is_there, is_near = folder.exists(), folder.parent.is_dir()
    except OSError:  # a name that no file can have
        is_there, is_near = False, True
    if is_there:
        raise UserError(f"{where}: holds no model.safetensors; give an entry, runs/NAME, or a checkpoint's folder.")
    if is_near or len(folder.parts) != 2 or folder.is_absolute():
        remedy = meant(folder) or "; a name on the Hub has the form OWNER/MODEL."
        raise UserError(f"{str(where)[:200]}: there is no such folder{remedy}")

    from league.hub.transfer import fetch

    return fetch(str(where))


def find_rules(checkpoint: Path) -> League:
    """Return the rules of a checkpoint: its record's league, where it is known here, else what config.json says."""
    entry = checkpoint.parent if checkpoint.name in ("pretrain", "finetune") else checkpoint
    try:
        record = read_record(entry / "record.json")
        if record.league.name in LEAGUES:
            return LEAGUES[record.league.name].as_tuned(record.asked)
    except FileNotFoundError:
        pass
    try:
        values = read_json(checkpoint / "config.json")
        length, vocab_size = (_bounded(values, *one) for one in BOUNDS)
        known, stages = AING, {}
        if values.get("model_type") == "aing_reader":
            known, names = DEMO_READERS, [str(name) for name in values["id2label"].values()]
            stages = {"finetune": replace(known.finetune, settings={"labels": dict(zip(names, names, strict=True))})}
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise UserError(f"{checkpoint} is not a usable checkpoint: config.json: {error}") from None
    return replace(known, name="unknown", max_length=length, vocab_size=vocab_size, **stages)


def stage_of(checkpoint: Path) -> str:
    """Return the stage that made a checkpoint: a masked language model is stage A's."""
    try:
        architectures = read_json(checkpoint / "config.json")["architectures"]
    except (OSError, ValueError, KeyError, TypeError):
        return "finetune"  # whose loading says what is wrong
    return "pretrain" if architectures == ["AingForMaskedLM"] else "finetune"


def _bounded(values: dict, name: str, least: int, most: int) -> int:
    value = values.get(name)
    if type(value) is not int or not least <= value <= most:
        raise ValueError(f"{name} is {value!r:.20}, not a whole number between {least} and {most:,}")
    return value
