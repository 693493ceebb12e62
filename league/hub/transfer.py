"""The Hub: an entry goes up whole, a checkpoint comes down as data, and every error is one line."""

import math
import re
import sys
from functools import partial
from pathlib import Path

from league.errors import UserError
from league.files import digest_of, write_text
from league.hub.connection import (
    CHANGED,
    errors_in_one_line,
    is_offline,
    is_transient,
    status_of,
    with_retries,
    without_token,
)
from league.record.folder import (
    CHECKPOINT,
    PICTURES,
    REPORT,
    files_to_hand_in,
    last_stage,
    read_whole_entry,
    repository_files,
    unnamed,
)
from league.record.shape import Record
from league.rulebook import GIVEN
from league.tasks.predictions import predictions_files
from league.values import check_repo_name

PRETRAIN = "pretrain"  # the branch of stage A
MAX_BYTES = {
    ".safetensors": 4_000_000_000,
    ".json": 5_000_000,
    ".txt": 50_000_000,
    ".jsonl": 50_000_000,
    ".spm": 10_000_000,
}


def push_if_asked(entry) -> None:
    """Upload an entry where --push_to_hub was given; the run is done and saved, whatever happens here."""
    options = entry.options
    if not options.push_to_hub:
        return
    try:
        print(f"uploaded: {push(entry.folder, options.hub_model_id, options.hub_private_repo)}")
    except UserError as error:
        flags = [f"--hub_model_id {options.hub_model_id}"] if options.hub_model_id else []
        flags += ["--hub_private_repo"] if options.hub_private_repo else []
        again = " ".join(["python -m tools.push", str(entry.folder), *flags])
        print(f"{error} — {entry.folder} is complete; to try again: {again}", file=sys.stderr)


def push(folder: Path, name: str | None = None, private: bool = False) -> str:
    """Upload an entry, its last stage at the root and stage A on a branch of its own; return where it lies."""
    name = name or folder.absolute().name
    check_repo_name("--hub_model_id", name)
    with errors_in_one_line(f"not uploaded: {name}"):
        record = read_whole_entry(folder)
        return without_token(with_retries(lambda: _upload(folder, record, name, private)))


def _upload(folder: Path, record: Record, name: str, private: bool) -> str:
    from huggingface_hub import HfApi

    from league.hub.card import eval_results, model_card, results_path

    api = HfApi()
    repo = api.create_repo(name, private=private or None, exist_ok=True)  # None: as the account has it
    repo_id = repo.repo_id
    if private and not api.model_info(repo_id).private:
        raise UserError(
            f"{repo_id} is there already, and public: make it private in its settings, or take another name."
        )
    api.create_branch(repo_id, branch=PRETRAIN, exist_ok=True)
    for revision, stage in ((PRETRAIN, "pretrain"), ("main", last_stage(record))):
        files: dict[str, Path | bytes] = {**repository_files(folder, record, stage)}
        if revision == "main":
            files |= eval_results(record, repo_id)
        pictures = tuple(name for name in files if Path(name).match(PICTURES))
        files["README.md"] = model_card(record, repo_id, stage, pictures).encode()
        # What an earlier push left would not match this one's record.
        there = [one.rfilename for one in api.repo_info(repo_id, revision=revision).siblings or ()]
        old = {name for name in there if _is_ours(name, results_path(record))}
        message = f"{record.entry}: {stage}"
        api.create_commit(repo_id, _operations(files, old - set(files)), commit_message=message, revision=revision)
    return str(repo)


def _is_ours(name: str, results: str) -> bool:
    return name in (GIVEN, *predictions_files(), REPORT, results) or Path(name).match(PICTURES)


def _operations(files: dict[str, Path | bytes], stale: set[str]) -> list:
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    added = [CommitOperationAdd(name, content) for name, content in sorted(files.items())]
    return added + [CommitOperationDelete(name) for name in sorted(stale)]


def hand_in(folder: Path, board: str, replace: bool = False) -> str:
    """Upload what proves an entry into a board's dataset, by a pull request where there is no right to write."""
    check_repo_name("--board", board, owned=True)
    with errors_in_one_line(f"not handed in to {board}"):
        files, name = files_to_hand_in(folder), folder.absolute().name
        try:
            upload = partial(_hand_in, board, name, files, replace, as_request=False)
            return without_token(with_retries(upload, CHANGED))
        except Exception as error:
            if status_of(error) != 403:
                raise
        # Not retried: where only the answer was lost, there would be two pull requests.
        return without_token(_hand_in(board, name, files, replace, as_request=True))


def _hand_in(board: str, name: str, files: dict[str, Path], replace: bool, as_request: bool) -> str:
    from huggingface_hub import HfApi

    api = HfApi()
    place, seen = f"{name}/record.json", api.repo_info(board, repo_type="dataset")
    old = {one.rfilename for one in seen.siblings or () if one.rfilename.startswith(f"{name}/")}
    if old and place not in old:  # a day's entries, say, which are other people's
        raise UserError(f"{board} has a folder {name!r} that is no entry: rename the folder of yours.")
    if place in old and not replace and not _is_same(api, board, place, files[place]):
        raise UserError(
            f"{board} has another entry {name!r}; --replace puts this one in its place, or rename the folder of yours."
        )
    done = api.create_commit(
        board,
        _operations(files, old - set(files)),
        commit_message=f"Hand in {name}",
        repo_type="dataset",
        create_pr=as_request,
        # Another of this name may arrive while the weights go up: then the Hub refuses, and all is looked at again.
        parent_commit=None if as_request else seen.sha,
    )
    return done.pr_url if as_request else f"{api.endpoint}/datasets/{board}/tree/main/{name}"


def _is_same(api, board: str, place: str, path: Path) -> bool:
    from huggingface_hub.utils.sha import git_hash

    (there,) = api.get_paths_info(board, place, repo_type="dataset")
    return there.lfs.sha256 == digest_of(path) if there.lfs else there.blob_id == git_hash(path.read_bytes())


def fetch(repo_id: str, revision: str | None = None, most_bytes: float = math.inf, anonymous: bool = False) -> Path:
    """Download a checkpoint and its record, as data alone; return the folder. Once there, it needs no network.

    For strangers it is fetched as one of them, and only up to a size.
    """
    check_repo_name("the Hub id", repo_id, owned=True)
    from huggingface_hub import HfApi, constants

    revision = revision or "main"
    # What was fetched with a login is not for strangers.
    kept = Path(constants.HF_HOME) / "aing-league" / ("for-strangers" if anonymous else "")
    place = kept / repo_id.replace("/", "--")
    with errors_in_one_line(f"cannot fetch {repo_id}" + (f" (revision {revision})" if revision != "main" else "")):
        known = place / f"{re.sub(r'[^A-Za-z0-9._-]', '-', revision)}.revision"
        try:
            token = False if anonymous else None
            return with_retries(lambda: _download(HfApi(token=token), repo_id, revision, known, most_bytes))
        except Exception as error:
            if not (is_transient(error) or is_offline(error)) or not known.is_file():
                raise
        return place / known.read_text().strip()


def fetch_stages(repo_id: str, stages: tuple[str, ...]) -> tuple[Path, dict[str, Path]]:
    """Download stages of an entry; return the folder with its record, and the folder of each checkpoint."""
    folders = {stage: fetch(repo_id, PRETRAIN if stage == "pretrain" else None) for stage in stages}
    folder = folders[stages[-1]]
    if not (folder / "record.json").is_file():
        raise UserError(f"{repo_id} holds no record.json: what it cost to train, and on what, is not known.")
    return folder, folders


def _download(api, repo_id: str, revision: str, known: Path, most_bytes: float) -> Path:
    info = api.model_info(repo_id, revision=revision, files_metadata=True)
    if not re.fullmatch(r"[0-9a-f]{40}", info.sha or ""):
        raise ValueError("the Hub names no commit")
    sizes = {sibling.rfilename: sibling.size for sibling in info.siblings or ()}
    if missing := unnamed(sizes):
        raise UserError(f"it holds no {missing[0]}, so it is no checkpoint of the league.")
    pieces = sorted(name for name in sizes if name.endswith(".spm"))  # of a tokenizer that is not one file
    others = ["generation_config.json", "record.json", *sorted(predictions_files())]  # a reader generates nothing
    others += [*pieces, "vocab.json"] if pieces else []
    needed = CHECKPOINT if "model.safetensors" in sizes else (GIVEN,)
    wanted = [name for name in (*needed, *others) if name in sizes]
    for name in wanted:
        if (sizes[name] or 0) > MAX_BYTES[Path(name).suffix]:
            raise UserError(f"its {name} has {sizes[name]:,} bytes, more than any of the league's.")
    size = sum(sizes[name] or 0 for name in wanted)
    if size > most_bytes:
        raise UserError(f"it has {size:,} bytes; here up to {most_bytes:,} are fetched.")
    folder = known.parent / info.sha
    for name in wanted:
        if not (folder / name).is_file():
            api.hf_hub_download(repo_id, name, revision=info.sha, local_dir=folder)
    write_text(known, info.sha)
    return folder
