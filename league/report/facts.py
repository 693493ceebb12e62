"""What the report of an entry shows, gathered from its folder, whoever made it; what is missing is named."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from msgspec import Struct

from league.data.corpora import Split
from league.errors import UserError
from league.files import digest_of
from league.proof.checks import read_predictions
from league.proof.noise import noise_of
from league.record.clock import Clock
from league.record.folder import last_step, read_entry, under_way
from league.record.game import game_of
from league.record.rules import broken_rules
from league.record.shape import BrokenRule, CurvePoint, Record, ScoreFacts, StageFacts
from league.report.reading import Reading, read
from league.report.sentences import MOST_LETTERS, Sentences
from league.rulebook import STAGES, League
from league.tasks.attention import Attention, attend
from league.tasks.metric import metric_of
from league.tasks.task import task_of
from league.untrusted import Count, Number, as_type, read_json
from league_config import LEAGUES

EXAMPLES = {  # by source language; read by every model, so that entries can be compared
    "de": (
        "Ein Hund läuft durch den Schnee.",
        "Zwei Kinder spielen vor dem roten Haus mit einem Ball.",
        "Ich glaube, dass wir das gemeinsam ändern können.",
    )
}
ALWAYS = ("learning", "forgetting", "clock")  # the parts of every report; a task names what else there is to see
OF_UNKNOWN_TASKS = ("lengths", "examples", "attention")  # which say why they are empty
MOST_LETTERS_OF_TITLE = 60
MOST_BYTES_OF_STATE = 20_000_000  # of a checkpoint's trainer_state.json, which has every step's loss
MOST_TOKENS = 40  # of a side, in a map of attention


class Logged(Struct):
    """What a Trainer logs of a step, as far as it is shown."""

    step: Count
    loss: Number
    learning_rate: Number


@dataclass(frozen=True)
class UnderWay:
    """A stage that stopped on its way, as its last checkpoint has it."""

    stage: str
    step: int
    max_steps: int
    curve: list[CurvePoint]


@dataclass
class Facts:
    """An entry as its report shows it; `missing` says why a part is not there."""

    name: str
    record: Record
    rules: League | None
    broken: list[BrokenRule]
    spent: dict[str, float]  # minutes by purpose
    noise: float | None = None  # how far apart two runs may be that differ in nothing but the seed
    under_way: UnderWay | None = None
    sentences: Sentences | None = None
    attention: list[tuple[str, Attention]] = field(default_factory=list)
    reading: Reading | None = None
    missing: dict[str, str] = field(default_factory=dict)

    @property
    def score(self) -> ScoreFacts | None:
        return self.record.score

    @property
    def minutes_used(self) -> float:
        """Return what the entry's clock has used: its own minutes, or those of its game, whose clock they share."""
        game = game_of(self.record)
        return max(sum(self.spent.values()), game.minutes if game else 0.0)

    @property
    def stages(self) -> dict[str, StageFacts]:
        return {name: self.record.stages[name] for name in STAGES if name in self.record.stages}

    @property
    def domains(self) -> list[str]:
        """Return the domains that validation speaks of, the score's own first."""
        if self.rules:
            return [corpus.domain for corpus in self.rules.validated("finetune")]
        named = [name for facts in self.stages.values() for name in facts.validation]
        return list(dict.fromkeys(named))[:2]

    def curve(self, stage: str) -> list[CurvePoint]:
        """Return the learning curve of a stage, as far as it came."""
        if stage in self.stages:
            return self.stages[stage].curve
        return self.under_way.curve if self.under_way and self.under_way.stage == stage else []

    def is_noise(self, change: float) -> bool:
        """Tell whether the seed alone may explain a change in the score."""
        return self.noise is not None and abs(change) <= self.noise

    def validation(self, domain: str) -> list[float]:
        """Return a domain's score before any training, and after each stage."""
        return [0.0, *(facts.validation.get(domain, 0.0) for facts in self.stages.values())]

    @property
    def compares_stages(self) -> bool:
        """Tell whether what the stages reach on validation is of one kind."""
        is_judged = all(facts.validation for facts in self.stages.values())  # a checkpoint of the Hub is not
        return is_judged and (self.rules is None or self.rules.has_one_task)

    @property
    def changes(self) -> dict[str, float]:
        """Return by how much the fine-tune changed each domain's score, where the stages can be compared."""
        if len(self.stages) < 2 or not self.compares_stages:
            return {}
        ends = {domain: self.validation(domain)[-2:] for domain in self.domains}
        return {domain: after - before for domain, (before, after) in ends.items()}

    @property
    def metric(self) -> str:
        """Return the metric's name on pages."""
        return metric_of(self.rules).LABEL if self.rules else "score"

    @property
    def predictions(self) -> str:
        """Return what the task calls its predictions, by the name of their file."""
        return Path(task_of(self.rules).predictions_file if self.rules else "predictions").stem

    @property
    def parts(self) -> tuple[str, ...]:
        """Return the names of what the report shows: pictures, and sections below them."""
        names = (*ALWAYS, *(task_of(self.rules).report_parts if self.rules else OF_UNKNOWN_TASKS))
        return names if self.compares_stages else tuple(name for name in names if name != "forgetting")


def gather(
    folder: Path,
    data_dir: str | None = None,
    test: Split | None = None,
    loaded: tuple | None = None,
    has_attention: bool = True,
) -> Facts:
    """Gather what there is to show; the attention takes a model, and most of the time.

    `test` and `loaded`, the model with its tokenizer, save reading them where they are at hand.
    """
    record = read_entry(folder)
    rules = LEAGUES.get(record.league.name)
    facts = Facts(record.entry, record, rules, broken_rules(record), spent_minutes(folder, record))
    facts.under_way = find_under_way(folder, record, rules)
    noise = noise_of(record.league.name, record.league.version)
    facts.noise = noise and noise.reach
    if {"lengths", "examples", "baselines", "confusion", "mistakes"} & set(facts.parts):
        try:
            facts.sentences = find_sentences(folder, record, rules, data_dir, test)
        except UserError as error:
            facts.missing["sentences"] = without_place(error, folder, data_dir)
    if has_attention and "mistakes" in facts.parts and facts.sentences:
        try:
            loaded = loaded or find_model(folder, record, rules)
            facts.reading = read(folder, record, rules, facts.sentences, loaded)
        except UserError as error:
            facts.missing["mistakes"] = without_place(error, folder, data_dir)
    if has_attention and "attention" in facts.parts:
        try:
            facts.attention = look(facts, loaded or find_model(folder, record, rules))
        except UserError as error:
            facts.missing["attention"] = without_place(error, folder, data_dir)
    return facts


def without_place(error: UserError, folder: Path, data_dir: str | None) -> str:
    """Return an error for a page that travels: where things lie on this machine is nobody's business."""
    words = str(error).replace(f"{folder}/", "")
    where = Path(data_dir or ".")
    return words if where == Path(".") else words.replace(f"{where}/", "DIR/")


def spent_minutes(folder: Path, record: Record) -> dict[str, float]:
    """Return the minutes by purpose: the record's, or the clock's where the entry is under way."""
    if not record.score:
        try:
            clock = Clock(folder / "clock.json", record.clock.limit, writes=False)
            if clock.spent:
                return {name: seconds / 60 for name, seconds in clock.spent.items()}
        except UserError:
            pass  # the record's will do
    return record.clock.spent


def find_under_way(folder: Path, record: Record, rules: League | None) -> UnderWay | None:
    """Return the stage that an entry stopped in, where it left a checkpoint."""
    stage = next((name for name in STAGES if name not in record.stages), None)
    step = last_step(folder, stage) if stage and rules else 0
    if not step:
        return None
    try:
        path = under_way(folder, stage) / f"checkpoint-{step}" / "trainer_state.json"
        state = read_json(path, MOST_BYTES_OF_STATE)
        points = [as_type(Logged, log) for log in state["log_history"] if "loss" in log]
    except (OSError, ValueError, TypeError, KeyError):
        points = []
    curve = [CurvePoint(point.step, point.loss, point.learning_rate) for point in points if math.isfinite(point.loss)]
    return UnderWay(stage, step, rules.steps(stage, record.asked), curve)


def find_sentences(
    folder: Path, record: Record, rules: League | None, data_dir: str | None, test: Split | None
) -> Sentences:
    """Return the test sentences of a scored entry, or say in a UserError why they cannot be shown."""
    if not record.score:
        raise UserError("Test sentences are shown once the entry has a score.")
    if rules is None:
        raise UserError("This league is not known here, and so neither are its test sentences.")
    task, hypotheses = task_of(rules), read_predictions(folder, rules)
    file = task.predictions_file
    if digest_of(folder / file) != record.score.sha256.get(file):
        raise UserError(f"{file} is not the file that was scored: nothing of it is shown.")
    if max(map(len, hypotheses)) > MOST_LETTERS:
        raise UserError(f"{file} has a line of more than {MOST_LETTERS:,} letters: nothing of it is shown.")
    if test is None:
        try:
            test = task.load_split(rules.test_corpus, "test", data_dir)
        except UserError as error:
            raise UserError(f"The test set is not at hand: {error}") from None
    if record.data_digests().get(test.name) != test.report["sha256"]:
        raise UserError("The entry was scored on another test set than the one at hand.")
    references = task.references(test)
    if len(hypotheses) != len(references):
        raise UserError(f"{file} has {len(hypotheses)} lines, the test set {len(references)}.")
    return Sentences(list(task.inputs(test)), list(references), hypotheses, metric_of(rules))


def find_model(folder: Path, record: Record, rules: League | None) -> tuple:
    """Load the newest complete checkpoint with its tokenizer."""
    if rules is None:
        raise UserError("This league is not known here, and so neither is its model.")
    stage = next((name for name in reversed(STAGES) if name in record.stages), None)
    if stage is None:
        raise UserError("There is no trained model yet.")
    task = task_of(rules.as_tuned(record.asked), stage)
    model, tokenizer = task.load_checkpoint(folder / stage)
    task.prepare(model)
    return model, tokenizer


def look(facts: Facts, loaded: tuple) -> list[tuple[str, Attention]]:
    """Return what the model looks at in a handful of sentences, each with what kind of sentence it is."""
    chosen = [("example", text) for text in EXAMPLES.get(facts.rules.source, ())]
    if facts.sentences:
        chosen += telling(facts.sentences)
    return [
        (f"{kind}: {text[:MOST_LETTERS_OF_TITLE]}", attend(*loaded, text).cropped(MOST_TOKENS)) for kind, text in chosen
    ]


def telling(sentences: Sentences) -> list[tuple[str, str]]:
    """Return a good, a middling and a bad test sentence of ordinary length."""
    lengths = np.array([len(source.split()) for source in sentences.sources])
    low, high = np.quantile(lengths, [0.25, 0.75])
    ranked = [i for i in sentences.ranked() if low <= lengths[i] <= high]
    places = {"translated well": 0, "middling": len(ranked) // 2, "translated badly": -1}
    return [(kind, sentences.sources[ranked[place]]) for kind, place in places.items()] if ranked else []


def thinned(points: Sequence, most: int) -> list:
    """Return at most so many of the points, evenly, the first and the last among them."""
    if len(points) <= most:
        return list(points)
    return [points[round(i)] for i in np.linspace(0, len(points) - 1, most)]
