"""Publish the rule books: keep the FIXED values of each league version, which records are judged by ever after.

    python -m tools.publish
    python -m tools.publish --hub

The contents of generated corpora are pinned by sha256; --hub also downloads the other corpora, and checkpoints that a
league starts from, and pins them. What has no place on the Hub is left out, and named.
"""

import json
from dataclasses import dataclass, field

from league.cli.options import parse_options
from league.data.corpora import splits_used
from league.errors import UserError, run_command
from league.files import write_json
from league.record.rules import PUBLISHED
from league.rulebook import FILTERS, GIVEN, Corpus, Generated, League, Mixture
from league.tasks.task import task_of
from league_config import LEAGUES


@dataclass
class PublishOptions:
    hub: bool = field(default=False, metadata={"help": "download the corpora that lie on the Hub, and pin them too"})


def main(argv: list[str] | None = None) -> None:
    (options,) = parse_options(__doc__, PublishOptions, argv=argv)
    books = json.loads(PUBLISHED.read_text(encoding="utf-8"))
    for league in LEAGUES.values():
        name = f"{league.name} {league.version}"
        book = books.setdefault(name, {"fixed": league.fixed(), "data": {}})
        digests = digests_of_splits(league, options.hub)
        changed = [split for split, digest in digests.items() if book["data"].get(split, digest) != digest]
        if changed or book["fixed"] != league.fixed():
            what = ", ".join(changed) or "values"
            raise UserError(f"league {name} is published with other {what}; raise its version in league_config.py.")
        book["data"] |= digests
    write_json(PUBLISHED, books)
    for name, book in books.items():
        print(f"published: {name}, {len(book['data'])} splits pinned")
    if options.hub:
        for league in LEAGUES.values():
            corpora = {corpus.name for _, corpus, _ in splits_used(league) if not has_place(corpus)}
            for corpus in sorted(corpora):
                print(f"not pinned: {corpus} of {league.name} has no place on the Hub")


def has_place(corpus: Corpus) -> bool:
    """Tell whether the rule book says where the rows lie."""
    parts = corpus.origin.parts if isinstance(corpus.origin, Mixture) else (corpus,)
    return all(isinstance(part.origin, Generated) or part.origin.repo_id for part in parts)


def digests_of_splits(league: League, from_hub: bool) -> dict[str, str]:
    """Return split name -> sha256 of every split that the league uses, and of the checkpoint that it starts from."""
    digests = {}
    for stage, corpus, name in splits_used(league):
        is_filtered = corpus.name == league.finetune.corpus.name and league.tunes(*FILTERS)
        if name == "train" and (is_filtered or league.tunes("captions")):
            continue  # whose rows are each entry's own
        if isinstance(corpus.origin, Generated) or (from_hub and has_place(corpus)):
            split = task_of(league, stage).load_split(corpus, name, None)
            digests[split.name] = split.report["sha256"]
    task = task_of(league, "pretrain")
    if from_hub and task.is_given:
        digests[GIVEN] = task.given().digest()
    return digests


if __name__ == "__main__":
    run_command(main)
