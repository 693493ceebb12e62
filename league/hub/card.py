"""The model card of an entry: a pure function of its record, so that it says no more than was recorded."""

from dataclasses import dataclass
from math import nan
from pathlib import Path
from typing import Any

import yaml
from huggingface_hub import (
    EvalResult,
    EvalResultEntry,
    ModelCard,
    ModelCardData,
    constants,
    eval_result_entries_to_yaml,
)

from league.record.folder import last_stage
from league.record.rules import rules_of
from league.record.shape import Record
from league.record.wording import in_words
from league.tasks.metric import metric_of
from league.tasks.task import task_of

TEMPLATE = Path(__file__).with_name("card.md")
LICENCES = {
    "multi30k": "Multi30k (image captions): for non-commercial research",
    "iwslt2017": "IWSLT 2017 (TED talks): CC BY-NC-ND 3.0",
    "dialogsum": "DialogSum: CC BY-NC-SA 4.0",
    "naver-news": "Naver news: as its card on the Hub says, and the articles are their publishers'",
    "disaster_tweets": "disaster tweets: as its card on the Hub says, and the tweets are their writers'",
    "chatbot_ko": "Korean questions and answers: MIT",
}
EXAMPLES = {"de": "Ein Hund läuft durch den Schnee."}


@dataclass(frozen=True)
class Score:
    """One figure of the test set."""

    metric: str
    label: str
    value: float
    signature: str


def model_card(record: Record, repo_id: str, stage: str | None = None, pictures: tuple[str, ...] = ()) -> str:
    """Return the README.md of a checkpoint: how to use it, what was tuned, what it scored, whose data it saw."""
    stage = stage or last_stage(record)
    fixed, is_last = record.league.fixed, stage == last_stage(record)
    rules = rules_of(fixed)
    words = task_of(rules, stage).hub_words()
    stages = {name: fixed[name]["corpus"] for name in ("pretrain", "finetune")}
    train = {name: report for name, report in record.data.items() if name.endswith(".train")}
    trained_on = [
        (name, corpus, report)
        for name, corpus in stages.items()
        if name in record.stages and (report := train.get(f"{corpus['name']}.train"))
    ]
    card = ModelCard.from_template(
        _metadata(record, repo_id, stage, is_last),
        template_path=str(TEMPLATE),
        record=record,
        fixed=fixed,
        stage=stage,
        facts=record.stages[stage],
        is_last=is_last,
        repo_id=repo_id,
        example=words.example or EXAMPLES.get(fixed["source"], "..."),
        scores=_scores(record),
        reasons=[in_words(broken) for broken in record.broken_rules],
        domains=[_plain(corpus["domain"]) for corpus in stages.values()],
        words=words,
        checkpoint=_checkpoint_of(fixed),
        has_one_task=rules.has_one_task,
        tested=rules.test_corpus.name,
        metrics={name: metric_of(rules, name).LABEL for name in stages},
        validation={name: facts.validation | facts.figures for name, facts in record.stages.items()},
        tuned=record.tuned,
        trained_on=trained_on,
        num_rows=sum(report.used for report in train.values()),
        pictures={_title(name): name for name in pictures},
        plain=_plain,
        licence=_licence,
        nan=nan,
    )
    return str(card)


def eval_results(record: Record, repo_id: str) -> dict[str, bytes]:
    """Return the Hub's file of results; none where the test set that was scored does not lie on the Hub."""
    fixed, scores = record.league.fixed, _scores(record)
    rules = rules_of(fixed)
    dataset = _dataset_of(record, fixed[rules.scored_on]["corpus"], "test")
    if not scores or dataset is None:
        return {}
    words = task_of(rules).hub_words()
    verdict = "official" if record.official else "open, not ranked"
    entry = EvalResultEntry(
        dataset_id=dataset,
        task_id="_".join((words.pipeline_tag, *words.languages)),
        value=round(scores[0].value, 2),
        source_url=f"{constants.ENDPOINT}/{repo_id}/blob/main/record.json",
        source_name="record.json",
        notes=f"{scores[0].label}, {scores[0].signature}; verdict of the league: {verdict}",
    )
    text = yaml.safe_dump(eval_result_entries_to_yaml([entry]), sort_keys=False, allow_unicode=True)
    return {results_path(record): text.encode()}


def results_path(record: Record) -> str:
    return f".eval_results/{rules_of(record.league.fixed).test_corpus.name}.yaml"


def _scores(record: Record) -> list[Score]:
    """Return what was scored on the test set, the league's own metric first; nothing where it was not."""
    if not (score := record.score):
        return []
    metric = metric_of(rules_of(record.league.fixed))
    further = getattr(metric, "FURTHER", {})
    extras = [(name, score.extras.get(name), score.extras.get(f"{name}_signature", "")) for name in further]
    scores = [Score(name, further[name], value, signature) for name, value, signature in extras if value is not None]
    return [Score(score.metric, metric.LABEL, score.value, score.signature), *scores]


def _checkpoint_of(fixed: dict[str, Any]) -> str | None:
    """Return the name on the Hub of what a league starts from."""
    return fixed["pretrain"].get("settings", {}).get("checkpoint")


def _dataset_of(record: Record, corpus: dict[str, Any], split: str) -> str | None:
    # What was read from other files may be other data, whatever their name.
    report = record.data.get(f"{corpus['name']}.{split}")
    return corpus["origin"].get("repo_id") if report and report.origin == "hub" else None


def _metadata(record: Record, repo_id: str, stage: str, is_last: bool) -> ModelCardData:
    fixed, scores = record.league.fixed, _scores(record) if is_last else []
    rules = rules_of(fixed)
    words, corpora = task_of(rules, stage).hub_words(), [fixed[name]["corpus"] for name in record.stages]
    tested = fixed[rules.scored_on]["corpus"]
    return ModelCardData(
        language=list(words.languages) or None,
        license="other",
        base_model=_checkpoint_of(fixed),
        library_name="transformers",
        pipeline_tag=words.pipeline_tag,
        tags=[words.pipeline_tag, f"{record.league.name}-league"],
        datasets=[dataset for corpus in corpora if (dataset := _dataset_of(record, corpus, "train"))] or None,
        metrics=[score.metric for score in scores] or None,
        model_name=repo_id if scores else None,
        eval_results=[
            EvalResult(
                task_type=words.pipeline_tag,
                task_name=" ".join((words.pipeline_tag.capitalize(), "-".join(words.languages))).strip(),
                dataset_type=_dataset_of(record, tested, "test") or tested["name"],
                dataset_name=tested["name"],
                dataset_split="test",
                metric_type=score.metric,
                metric_name=f"{score.label} ({score.signature})" if score.signature else score.label,
                metric_value=round(score.value, 2),
            )
            for score in scores
        ]
        or None,
    )


def _licence(corpus: dict[str, Any], origin: str) -> str:
    """Return the licence of a corpus, or those of all that it was mixed of."""
    unknown = "the league's own generator made it" if origin == "generated" else "not known"
    names = [part["name"] for part in corpus["origin"].get("parts", [corpus])]
    return "; ".join(dict.fromkeys(LICENCES.get(name, unknown) for name in names))


def _title(name: str) -> str:
    return Path(name).stem.replace("_", " ").replace("-", " ")


def _plain(value: Any) -> str:
    """Return what somebody may have written as text that stays in its cell of a table, and is never HTML."""
    text = " ".join(str(value).split())[:300]
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("`", "'")
