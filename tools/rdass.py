"""Judge the summaries of a scored entry by meaning: RDASS, their similarity to reference and document by embeddings.

    python -m tools.rdass runs/tuned --embedding_model sentence-transformers/all-MiniLM-L6-v2
    python -m tools.rdass runs/tuned --embedding_model DIR

The model is a name on the Hub or a folder: any encoder, whose last hidden states are averaged. The figure depends on
it, and so is not part of a record; compare entries by the same one.
"""

from dataclasses import dataclass, field
from pathlib import Path

from league.cli.options import parse_options
from league.errors import UserError, run_command
from league.values import DataDirOptions


@dataclass
class RdassOptions(DataDirOptions):
    embedding_model: str | None = field(
        default=None, metadata={"help": "name on the Hub, or folder, of the model that embeds the texts"}
    )


def main(argv: list[str] | None = None) -> None:
    words = {"entry": {"help": "folder of a scored entry, runs/NAME"}}
    options, named = parse_options(__doc__, RdassOptions, argv=argv, words=words)
    if not options.embedding_model:
        raise UserError(
            "there is no RDASS without a model that embeds texts: --embedding_model NAME_ON_THE_HUB or a folder."
        )
    print(judge(Path(named.entry), options))


def judge(folder: Path, options: RdassOptions) -> str:
    from league import hardware
    from league.proof.checks import read_scored_entry
    from league.report.facts import find_sentences
    from league.tasks.metric import metric_of

    record, rules = read_scored_entry(folder)
    if metric_of(rules).NAME != "rouge_l":
        raise UserError(f"{folder} is scored by {metric_of(rules).LABEL}: RDASS is for summaries.")
    sentences = find_sentences(folder, record, rules, options.data_dir, None)
    hardware.prepare_process()

    from league.tasks.rdass import Embedder, rdass

    embedder = Embedder(options.embedding_model)
    found = rdass(embedder, sentences.hypotheses, sentences.references, sentences.sources)
    return (
        f"RDASS {found['rdass']:.2f}: {found['to_reference']:.2f} to the reference, {found['to_document']:.2f} to the "
        f"document; {len(sentences.hypotheses)} summaries, by the embeddings of {options.embedding_model}"
    )


if __name__ == "__main__":
    run_command(main)
