"""A checkpoint from the Hub that a league starts from: fetched as data, and refused where it cannot summarize."""

import hashlib
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from league.errors import UserError
from league.files import digest_of, json_bytes

# Without folders, and without code: what a configuration, a tokenizer and its vocabulary are made of.
SMALL = (".json", ".txt", ".model", ".spm")
WEIGHTS = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin")
TOKENIZER, PIECES = ("tokenizer", "vocab"), (".spm", ".model")  # how the names of its files begin or end
LAST = "config.json"  # to be downloaded: where it is, all else is


@dataclass(frozen=True)
class Given:
    """Where a rule book's checkpoint lies on this machine."""

    repo_id: str
    folder: Path

    def digests(self) -> dict[str, str]:
        names = {path.name for path in self.folder.iterdir() if not path.name.startswith(".")}
        # Another program may have fetched the weights in two forms, of which one is loaded.
        weights = ".safetensors" if any(name.endswith(".safetensors") for name in names) else ".bin"
        return {name: digest_of(self.folder / name) for name in sorted(names) if name.endswith((*SMALL, weights))}

    def description(self) -> dict[str, Any]:
        """Return what an entry keeps of it: its name, its commit, and the sha256 of each file."""
        return {"repo_id": self.repo_id, "commit": self.folder.name, "sha256": self.digests()}

    def digest(self) -> str:
        """Return the sha256 of the file that an entry keeps of it."""
        return hashlib.sha256(json_bytes(self.description())).hexdigest()

    def config(self):
        from transformers import AutoConfig, AutoModelForSeq2SeqLM

        import modeling  # noqa: F401  which makes our own known

        with self.readable():
            config = AutoConfig.from_pretrained(self.folder, trust_remote_code=False)
            if type(config) not in AutoModelForSeq2SeqLM._model_mapping:
                raise ValueError(f"a {config.model_type} model is no encoder-decoder that writes texts")
        return config

    def tokenizer(self):
        from transformers import AutoTokenizer

        with self.readable():
            tokenizer = AutoTokenizer.from_pretrained(self.folder, trust_remote_code=False)
            if tokenizer.pad_token_id is None or tokenizer.eos_token_id is None:
                raise ValueError("its tokenizer has no padding token, or none that ends a text")
            if tokenizer.pad_token_id == tokenizer.eos_token_id:
                raise ValueError("its tokenizer pads with the token that ends a text")
        return tokenizer

    def model(self):
        """Load the weights in float32: safetensors, or else a pickle, of which only tensors are read."""
        import torch
        from transformers import AutoModelForSeq2SeqLM

        with self.readable():
            model, info = AutoModelForSeq2SeqLM.from_pretrained(
                self.folder,
                config=self.config(),
                dtype=torch.float32,
                trust_remote_code=False,
                use_safetensors=any((self.folder / name).exists() for name in WEIGHTS[:2]),
                output_loading_info=True,
            )
            if missing := sorted(map(str, info["missing_keys"])) + sorted(map(str, info["mismatched_keys"])):
                raise ValueError(f"its weights lack {', '.join(missing[:3])}")
        return model

    def readable(self):
        return in_one_line(f"{self.repo_id} is not a checkpoint to start from")


@contextmanager
def in_one_line(about: str):
    """Turn whatever several libraries raise into one line."""
    from league.hardware import is_out_of_memory

    try:
        yield
    except UserError:
        raise
    except Exception as error:
        if is_out_of_memory(error):
            raise
        raise UserError(f"{about}: {' '.join(str(error).split())[:300]}") from None


def fetch(repo_id: str, revision: str, with_weights: bool = True) -> Given:
    """Return a checkpoint, from the cache where it was downloaded before."""
    with in_one_line(f"cannot load {repo_id} (revision {revision}) from the Hub"):
        return Given(repo_id, _cached(repo_id, revision, with_weights) or _download(repo_id, revision, with_weights))


def _cached(repo_id: str, revision: str, with_weights: bool) -> Path | None:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        folder = Path(snapshot_download(repo_id, revision=revision, local_files_only=True))
    except LocalEntryNotFoundError:
        return None
    has_weights = any((folder / name).exists() for name in WEIGHTS)
    # Another program may have fetched the model alone.
    has_tokenizer = any(path.name.startswith(TOKENIZER) or path.suffix in PIECES for path in folder.iterdir())
    is_whole = (folder / LAST).exists() and has_tokenizer and (has_weights or not with_weights)
    return folder if is_whole else None


def _download(repo_id: str, revision: str, with_weights: bool) -> Path:
    from huggingface_hub import HfApi, hf_hub_download

    info = HfApi().model_info(repo_id, revision=revision)
    names = [sibling.rfilename for sibling in info.siblings or () if "/" not in sibling.rfilename]
    wanted = [name for name in names if name.endswith(SMALL) and name not in (LAST, *WEIGHTS)]
    weights = next((name for name in WEIGHTS if name in names), None)
    if LAST not in names or weights is None:
        raise ValueError(f"it holds no {LAST if LAST not in names else WEIGHTS[0]}")
    if with_weights:
        wanted += [name for name in names if name.endswith(".safetensors")] if "index" in weights else []
        wanted.append(weights)
    for name in [*wanted, LAST]:
        path = hf_hub_download(repo_id, name, revision=info.sha)
    _remember(Path(path).parent, revision, info.sha)
    return Path(path).parent


def _remember(folder: Path, revision: str, commit: str) -> None:
    """Note which commit a branch stood at, as the client does only where it is asked for a branch."""
    if revision != commit:
        place = folder.parents[1] / "refs" / revision
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(commit)
