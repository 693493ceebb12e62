"""The Hub: a finished checkpoint with its model card goes up in one commit, and a failure never ends a run."""

import shlex
import sys
from pathlib import Path

from .entry import Entry
from .options import Options

UPLOADED = {".json", ".py", ".safetensors"}
LICENCES = {
    "multi30k": "Multi30k: for non-commercial research",
    "iwslt2017": "IWSLT 2017 (TED talks): CC BY-NC-ND 3.0",
}


def push_if_asked(entry: Entry, stage: str) -> None:
    """Upload a stage's checkpoint where --push_to_hub was given."""
    if entry.options.push_to_hub:
        push(entry.options, entry.checkpoint(stage), model_card(entry))


def push(options: Options, folder: Path, model_card: str) -> None:
    """Upload a checkpoint; where that fails, say in one line what did, and how to try again."""
    from huggingface_hub import CommitOperationAdd, HfApi, get_token

    name = _repo_name(options)
    try:
        repo = HfApi().create_repo(name, exist_ok=True)
        # Only now is the owner known, without whom nobody else can load the model.
        card = model_card.replace(f'from_pretrained("{name}"', f'from_pretrained("{repo.repo_id}"')
        contents = {path.name: path for path in sorted(folder.iterdir()) if path.suffix in UPLOADED}
        contents["README.md"] = card.encode()
        HfApi().create_commit(
            repo.repo_id,
            [CommitOperationAdd(file, content) for file, content in contents.items()],
            commit_message=f"Upload {options.entry} ({folder.name})",
        )
    except Exception as error:  # the run is done and saved: whatever fails here must not look like its failure
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        if token := get_token():
            reason = reason.replace(token, "***")
        again = shlex.join(["python", *sys.argv])
        print(f"not uploaded: {name}: {reason[:300]} — {folder} is complete; to try again: {again}", file=sys.stderr)
    else:
        print(f"uploaded: {repo}")


def model_card(entry: Entry) -> str:
    """Return the README.md of a checkpoint: how to use it, what was tuned, what it scored, whose data it saw."""
    rules, record = entry.rules, entry.record
    tuned = {key: value for key, value in record["asked"].items() if key not in ("league", "seed")}
    corpora = (rules.pretrain.corpus, rules.finetune.corpus)
    name = _repo_name(entry.options)
    return f"""---
language:
- {rules.source}
- {rules.target}
library_name: transformers
pipeline_tag: translation
license: other
tags:
- translation
- {rules.name}-league
---

# {entry.name}

A translation model ({rules.source} to {rules.target}), trained from scratch in the `{rules.name}` league, \
version {rules.version}, with seed {record["asked"]["seed"]}.

```python
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained("{name}", trust_remote_code=True)
model = AutoModelForSeq2SeqLM.from_pretrained("{name}", trust_remote_code=True)
batch = tokenizer(["Ein Hund läuft durch den Schnee."], return_tensors="pt")
print(tokenizer.batch_decode(model.generate(**batch), skip_special_tokens=True))
```

## Score

{_score(record)}

## Tuned values

| name | value |
|---|---|
{chr(10).join(f"| {key} | {value} |" for key, value in tuned.items())}

## Data

{chr(10).join(f"- {LICENCES.get(corpus.name, f'{corpus.name}: made by the built-in generator')}" for corpus in corpora)}
"""


def _repo_name(options: Options) -> str:
    return options.hub_model_id or options.entry


def _score(record: dict) -> str:
    if "score" not in record:
        return "Not scored on the test set yet."
    score = record["score"]
    verdict = "official" if record["official"] else "open, not ranked: it breaks a rule of the league"
    return f"Test BLEU {score['bleu']:.2f} (`{score['bleu_signature']}`). Verdict: {verdict}."
