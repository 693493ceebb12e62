"""The model card of an entry: a pure function of its record, so that it says no more than was recorded."""

from typing import Any

import yaml
from huggingface_hub import EvalResult, EvalResultEntry, ModelCardData, constants, eval_result_entries_to_yaml

from league.record.folder import last_stage
from league.record.rules import SCHEDULE, STRUCTURE
from league.record.wording import in_words

LICENCES = {
    "multi30k": "Multi30k (image captions): for non-commercial research",
    "iwslt2017": "IWSLT 2017 (TED talks): CC BY-NC-ND 3.0",
}
EXAMPLES = {"de": "Ein Hund läuft durch den Schnee."}
METRICS = {"bleu": "BLEU", "chrf": "chrF"}


def model_card(record: dict[str, Any], repo_id: str, stage: str | None = None, pictures: tuple[str, ...] = ()) -> str:
    """Return the README.md of a checkpoint: how to use it, what was tuned, what it scored, whose data it saw."""
    stage = stage or last_stage(record)
    league, fixed = record["league"], record["league"]["fixed"]
    facts, is_last = record["stages"][stage], stage == last_stage(record)
    languages = f"{fixed['source']} to {fixed['target']}"
    size = facts["effective"].get("num_parameters")
    parameters = f", {size:,} parameters" if isinstance(size, int) else ""
    which = "after both stages" if stage == "finetune" else "after stage A, before any fine-tune"
    parts = [
        f"---\n{_matter(record, repo_id, is_last)}\n---\n\n# {record['entry']}",
        f"A translation model ({languages}{parameters}), trained from scratch in the `{league['name']}` league, "
        f"version {league['version']}, with seed {record['asked'].get('seed')}. This is the checkpoint {which}.",
        _use(repo_id, fixed["source"], "main" if is_last else stage),
        f"## Score\n\n{_score(record) if is_last else _no_score(record, repo_id)}",
        f"## What each stage learnt\n\n{_validation(record)}",
        f"## Tuned values\n\n{_tuned(record)}",
        f"## How it was made\n\n{_making(record, facts)}",
        f"## Data and licences\n\n{_data(record)}",
        f"## Limits\n\n{_limits(record)}",
    ]
    if is_last and pictures:
        parts.append("## Pictures\n\nOf the run; there are more in `report.html`, to download and open.")
        parts += [f"![{_title(name)}]({name})" for name in pictures]
    return "\n\n".join(parts) + "\n"


def eval_results(record: dict[str, Any], repo_id: str) -> dict[str, bytes]:
    """Return the Hub's file of results; none where the test set that was scored does not lie on the Hub."""
    corpus = record["league"]["fixed"]["pretrain"]["corpus"]
    dataset = _dataset_of(record, corpus, "test")
    if "score" not in record or dataset is None:
        return {}
    verdict = "official" if record["official"] else "open, not ranked"
    entry = EvalResultEntry(
        dataset_id=dataset,
        task_id=_task(record),
        value=round(record["score"]["bleu"], 2),
        source_url=f"{constants.ENDPOINT}/{repo_id}/blob/main/record.json",
        source_name="record.json",
        notes=f"BLEU, {record['score']['bleu_signature']}; verdict of the league: {verdict}",
    )
    text = yaml.safe_dump(eval_result_entries_to_yaml([entry]), sort_keys=False, allow_unicode=True)
    return {results_path(record): text.encode()}


def results_path(record: dict[str, Any]) -> str:
    return f".eval_results/{record['league']['fixed']['pretrain']['corpus']['name']}.yaml"


def _task(record: dict[str, Any]) -> str:
    fixed = record["league"]["fixed"]
    return f"translation_{fixed['source']}_{fixed['target']}"


def _dataset_of(record: dict[str, Any], corpus: dict[str, Any], split: str) -> str | None:
    # What was read from other files may be other data, whatever their name.
    report = record["data"].get(f"{corpus['name']}.{split}")
    return corpus["origin"].get("repo_id") if report and report["origin"] == "hub" else None


def _matter(record: dict[str, Any], repo_id: str, is_last: bool) -> str:
    fixed = record["league"]["fixed"]
    corpora = [fixed[stage]["corpus"] for stage in ("pretrain", "finetune") if stage in record["stages"]]
    datasets = [dataset for corpus in corpora if (dataset := _dataset_of(record, corpus, "train"))]
    is_scored = is_last and "score" in record
    return ModelCardData(
        language=[fixed["source"], fixed["target"]],
        license="other",
        library_name="transformers",
        pipeline_tag="translation",
        tags=["translation", f"{record['league']['name']}-league"],
        datasets=datasets or None,
        metrics=list(METRICS) if is_scored else None,
        model_name=repo_id if is_scored else None,
        eval_results=_results(record) if is_scored else None,
    ).to_yaml()


def _results(record: dict[str, Any]) -> list[EvalResult]:
    corpus, score = record["league"]["fixed"]["pretrain"]["corpus"], record["score"]
    return [
        EvalResult(
            task_type="translation",
            task_name=f"Translation {record['league']['fixed']['source']}-{record['league']['fixed']['target']}",
            dataset_type=_dataset_of(record, corpus, "test") or corpus["name"],
            dataset_name=corpus["name"],
            dataset_split="test",
            metric_type=metric,
            metric_name=f"{name} (SacreBLEU {score[f'{metric}_signature']})",
            metric_value=round(score[metric], 2),
        )
        for metric, name in METRICS.items()
    ]


def _use(repo_id: str, source: str, revision: str) -> str:
    where = f'"{repo_id}"' + ("" if revision == "main" else f', revision="{revision}"')
    return f"""## Use

It needs `transformers` and `torch`, and nothing else. `trust_remote_code=True` runs the model's code, the `.py` files \
of this repository: read them first, or pin a `revision` that you have read.

```python
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained({where}, trust_remote_code=True)
model = AutoModelForSeq2SeqLM.from_pretrained({where}, trust_remote_code=True)
batch = tokenizer(["{EXAMPLES.get(source, "...")}"], return_tensors="pt")
print(tokenizer.batch_decode(model.generate(**batch), skip_special_tokens=True))
```

In the league's own code, which runs nothing of this repository: `python -m tools.translate {repo_id}` translates, and \
`python train_finetune.py --pretrained {repo_id}` fine-tunes its stage A, the branch `pretrain`."""


def _score(record: dict[str, Any]) -> str:
    if "score" not in record:
        return "Not scored on the test set yet."
    score = record["score"]
    low, high = score["bleu_interval"]
    told = (
        f"Test BLEU **{score['bleu']:.2f}** (95 % interval {low:.2f} to {high:.2f}; `{score['bleu_signature']}`), chrF "
        f"{score['chrf']:.2f}, on the {score['sentences']:,} test sentences of "
        f"{record['league']['fixed']['pretrain']['corpus']['name']}. Test set opened {record['test_openings']} time(s)."
    )
    if record["official"]:
        return f"{told}\n\nVerdict: official."
    reasons = "\n".join(f"- {_plain(in_words(broken))}" for broken in record["broken_rules"])
    return f"{told}\n\nVerdict: open, not ranked, because\n\n{reasons}"


def _no_score(record: dict[str, Any], repo_id: str) -> str:
    return f"None: the league scores the checkpoint after both stages, the branch `main` of `{repo_id}`."


def _validation(record: dict[str, Any]) -> str:
    fixed = record["league"]["fixed"]
    domains = [fixed[stage]["corpus"]["domain"] for stage in ("pretrain", "finetune")]
    rows = [
        [f"after {stage}", *(f"{facts['validation_bleu'].get(domain, float('nan')):.2f}" for domain in domains)]
        for stage, facts in record["stages"].items()
    ]
    return _table(["validation BLEU", *domains], rows)


def _tuned(record: dict[str, Any]) -> str:
    asked = record["asked"]
    return _table(["name", "value"], [[name, asked[name]] for name in (*STRUCTURE, *SCHEDULE) if name in asked])


def _making(record: dict[str, Any], facts: dict[str, Any]) -> str:
    clock, versions = record["clock"], record["versions"]
    return (
        f"{clock['minutes']:.1f} of {clock['limit']:g} minutes on the clock, {record['trials']} trial(s) of a search, "
        f"on {facts['device']} in {facts['precision']}, with torch {versions.get('torch')} and transformers "
        f"{versions.get('transformers')}. `record.json` holds the settings in effect, the learning curves, and the "
        "sha256 of data, weights and translations."
    )


def _data(record: dict[str, Any]) -> str:
    rows, reports = [], record["data"]
    for stage in record["stages"]:
        corpus = record["league"]["fixed"][stage]["corpus"]["name"]
        if report := reports.get(f"{corpus}.train"):
            made = "the league's own generator made it" if report["origin"] == "generated" else "not known"
            rows.append([stage, corpus, f"{report['used']:,}", report["origin"], LICENCES.get(corpus, made)])
    table = _table(["stage", "corpus", "pairs", "read from", "licence"], rows)
    if all(report["origin"] == "generated" for report in reports.values()):
        return table
    return f"{table}\n\nThe licences of the data matter to whoever uses the model, too: mind them before any other use."


def _limits(record: dict[str, Any]) -> str:
    fixed = record["league"]["fixed"]
    captions, talks = (fixed[stage]["corpus"]["domain"] for stage in ("pretrain", "finetune"))
    pairs = sum(report["used"] for name, report in record["data"].items() if name.endswith(".train"))
    lines = [
        f"Trained on {pairs:,} pairs of sentences within {fixed['minutes']:g} minutes, for a contest: no product.",
        f"It knows {captions} best. On {talks} and on anything else it is poor, and what it writes may read well and "
        "be wrong: names, numbers and negations above all.",
        f"Sentences longer than {fixed['max_length']} tokens are cut. It reads each sentence without its neighbours.",
        "Nothing was done against what is biased or offensive in the data.",
    ]
    if "finetune" in record["stages"]:
        lines.insert(2, f"A fine-tune on {talks} forgets some {captions}: the validation BLEU above says how much.")
    return "\n".join(f"- {line}" for line in lines)


def _title(name: str) -> str:
    return name.rpartition("/")[2].removesuffix(".png").replace("_", " ").replace("-", " ")


def _table(head: list[str], rows: list[list[Any]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(_plain(value) for value in line) + " |" for line in lines)


def _plain(value: Any) -> str:
    text = " ".join(str(value).split())[:300]
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("`", "'")
