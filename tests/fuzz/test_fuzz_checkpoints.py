"""Checkpoints of strangers: whatever lies in them, no code of theirs is run, and one line says what is wrong."""

import json
import os
import pickle
import shutil
from pathlib import Path

import pytest
import torch
from fuzzing import ANYTHING, KINDS, changed, examples, guard, refusal, spelled, spoilt
from hypothesis import given
from hypothesis import strategies as st
from play import TINY

from league.run import checkpoints
from league.tasks.task import task_of


class Bomb:
    """A pickle that leaves a mark when it is read."""

    def __init__(self, mark: Path):
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (str(self.mark),)


class Checkpoint:
    """A copy of a sound checkpoint, with code and pickles in it that leave a mark when they are run."""

    def __init__(self, original: Path, folder: Path):
        self.folder, self.mark = folder / "finetune", folder / "mark"
        shutil.copytree(original, self.folder)
        code = f"import os\nos.mkdir({str(self.mark)!r})\n"
        for name in ("modeling_aing.py", "configuration_aing.py", "tokenization_aing.py", "setup.py"):
            (self.folder / name).write_text(code)
        for name in ("pytorch_model.bin", "training_args.bin", "model.pkl", "optimizer.pt", "tokenizer.pkl"):
            (self.folder / name).write_bytes(pickle.dumps(Bomb(self.mark)))

    def json(self, name: str) -> dict:
        return json.loads((self.folder / name).read_text())

    def load(self):
        """Load it under guard; a model that comes out is whole."""
        try:
            loaded, line = refusal(self.folder, task_of(TINY).load_checkpoint, self.folder)
        finally:
            assert not self.mark.exists(), "code of the checkpoint was run"
        if loaded is None:
            return line
        model, tokenizer = loaded
        d_model = model.config.d_model
        assert model.get_input_embeddings().weight.shape == (TINY.vocab_size, d_model) and len(tokenizer) == 400
        assert all(weight.dtype == torch.float32 and weight.device.type == "cpu" for weight in model.parameters())
        assert model.num_parameters() < 10**6
        return None


@pytest.fixture
def copies(played, new_folder):
    original = played / "runs" / "one" / "finetune"
    task_of(TINY).load_checkpoint(original)  # imports what it needs
    return lambda: Checkpoint(original, new_folder())


def test_a_checkpoint_of_a_stranger_loads_without_its_code(copies):
    assert copies().load() is None


CONFIGS = ("config.json", "tokenizer.json", "tokenizer_config.json", "generation_config.json")


@examples(60)
@given(data=st.data())
def test_a_checkpoint_with_a_spoilt_file(copies, data):
    checkpoint = copies()
    name = data.draw(st.sampled_from([*CONFIGS, "model.safetensors"]))
    content = (checkpoint.folder / name).read_bytes()
    start = (
        0 if data.draw(st.booleans()) or name != "model.safetensors" else 4_000
    )  # most of its errors hide in its head
    spoiled = data.draw(spoilt(content[: start or None])) + (content[start:] if start else b"")
    (checkpoint.folder / name).write_bytes(spoiled)
    checkpoint.load()


@examples(150)
@given(data=st.data())
def test_a_checkpoint_with_changed_settings(copies, data):
    checkpoint = copies()
    name = data.draw(st.sampled_from(CONFIGS))
    (checkpoint.folder / name).write_bytes(data.draw(changed(checkpoint.json(name)) | ANYTHING.map(spelled)))
    checkpoint.load()


STRUCTURES = [("d_model", 10**9), ("d_model", 32.0), ("d_model", -32), ("num_layers", 10**6), ("num_layers", 64)]
STRUCTURES += [("vocab_size", 10**9), ("vocab_size", "400"), ("d_ff", 2**62), ("d_ff", 65_536), ("nhead", 0)]
STRUCTURES += [("nhead", 3), ("nhead", True), ("dropout", "x"), ("dropout", 7), ("dropout", None), ("d_model", [])]
STRUCTURES += [("model_type", "bert"), ("model_type", None), ("num_layers", 10**400), ("dropout", 10**400)]


@pytest.mark.parametrize(("name", "value"), STRUCTURES)
def test_a_structure_that_the_weights_have_not_is_refused(copies, name, value):
    checkpoint = copies()
    path = checkpoint.folder / "config.json"
    path.write_text(json.dumps(checkpoint.json("config.json") | {name: value}))
    assert checkpoint.load()


HARMLESS = {"torch_dtype": "float64", "dtype": "bfloat16", "auto_map": {"AutoModel": "modeling_aing.Other"}}
HARMLESS |= {"max_position_embeddings": 10**12, "pad_token_id": 10**9, "quantization_config": {"quant_method": "awq"}}
HARMLESS |= {"attn_implementation": "evil/kernel", "_name_or_path": "/etc", "tie_word_embeddings": False}
HARMLESS |= {"rope_theta": "x", "decoder_start_token_id": -7, "architectures": ["Bert"], "num_labels": 10**9}


@pytest.mark.parametrize("name", HARMLESS)
def test_what_is_not_the_structure_is_the_leagues_whatever_a_config_says(copies, name):
    checkpoint = copies()
    path = checkpoint.folder / "config.json"
    path.write_text(json.dumps(checkpoint.json("config.json") | {name: HARMLESS[name]}))
    assert checkpoint.load() is None


OTHER_FILES = {"tokenizer_file": "/etc/passwd", "vocab_file": "/etc/passwd", "gguf_file": "/etc/passwd"}
OTHER_FILES |= {"tokenizer_object": "/etc/passwd", "name_or_path": "/etc", "is_local": False, "from_slow": True}
OTHER_FILES |= {
    "auto_map": {"AutoTokenizer": ["tokenization_aing.T", "tokenization_aing.T"]},
    "extra_special_tokens": 3,
}
OTHER_FILES |= {"added_tokens_decoder": {"5": {"content": "x"}}, "chat_template": "{{ 1 }}", "fix_mistral_regex": True}


@pytest.mark.parametrize("name", OTHER_FILES)
def test_a_tokenizer_names_no_other_files(copies, name):
    checkpoint = copies()
    path = checkpoint.folder / "tokenizer_config.json"
    path.write_text(json.dumps(checkpoint.json(path.name) | {name: OTHER_FILES[name]}))
    assert name in checkpoint.load()


EXTRAS = {
    "adapter_config.json": {"base_model_name_or_path": "/etc", "peft_type": "LORA"},
    "model.safetensors.index.json": {"weight_map": {"a": "../../x.safetensors"}},
    "special_tokens_map.json": {"gguf_file": "/etc/passwd", "tokenizer_file": "/etc/passwd"},
    "added_tokens.json": {"<x>": 10**9},
    "generation_config.json": {"num_beams": 10**9, "custom_generate": "evil"},
    "preprocessor_config.json": {"auto_map": {"AutoTokenizer": "tokenization_aing.T"}},
}


@pytest.mark.parametrize("name", EXTRAS)
def test_files_that_no_checkpoint_needs_change_nothing(copies, name):
    checkpoint = copies()
    (checkpoint.folder / name).write_text(json.dumps(EXTRAS[name]))
    assert checkpoint.load() is None


@pytest.mark.parametrize("kind", [*KINDS, "missing", "pickle", "legacy pickle", "empty"])
@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"])
def test_a_file_that_is_none_or_another_kind_is_refused(copies, name, kind):
    checkpoint = copies()
    path = checkpoint.folder / name
    path.unlink()
    if kind in KINDS:
        KINDS[kind](path)
    elif kind != "missing":
        path.write_bytes(b"")
        if kind != "empty":
            torch.save({"w": Bomb(checkpoint.mark)}, path, _use_new_zipfile_serialization=kind == "pickle")
    assert checkpoint.load()


def test_weights_whose_head_promises_more_than_the_file_holds_take_no_memory(copies):
    checkpoint = copies()
    path = checkpoint.folder / "model.safetensors"
    content = path.read_bytes()
    head = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    for shape, end in (([10**6, 10**6], 4 * 10**12), ([2**40, 2**40], 2**82), ([2**63, 0], 0), ([-1], 4), ([10**9], 4)):
        name = next(key for key in head if key != "__metadata__")
        spoiled = head | {name: {"dtype": "F32", "shape": shape, "data_offsets": [0, end]}}
        text = json.dumps(spoiled).encode()
        path.write_bytes(len(text).to_bytes(8, "little") + text + content[-(len(content) // 2) :])
        assert checkpoint.load()
    for length in (0, 2**20, 2**40, 2**64 - 1):
        path.write_bytes(length.to_bytes(8, "little") + content[8:])
        assert checkpoint.load()


def test_a_weight_of_another_name_shape_or_kind_is_refused(copies):
    from safetensors.torch import load_file, save_file

    checkpoint = copies()
    path = checkpoint.folder / "model.safetensors"
    weights = load_file(path)
    name, weight = next((name, weight) for name, weight in weights.items() if weight.ndim == 2)
    for other in (
        {("\x1b[2J" if key == name else key): value for key, value in weights.items()},
        weights | {name: weight.T.contiguous().reshape(-1)},
        weights | {name: weight.reshape(1, *weight.shape).contiguous()},
        weights | {"more": torch.zeros(1)},
        {key: value for key, value in weights.items() if key != name},
    ):
        save_file(other, path)
        assert checkpoint.load()
    for kind in (torch.float64, torch.float16, torch.int8, torch.bool):
        save_file(weights | {name: weight.to(kind)}, path)
        checkpoint.load()


def test_ids_beyond_the_model_are_refused(copies):
    checkpoint = copies()
    values = checkpoint.json("tokenizer.json")
    word = list(values["model"]["vocab"])[-1]
    for number in (400, 2**31, 2**32 - 1, 2**32, -1):
        values["model"]["vocab"][word] = number
        (checkpoint.folder / "tokenizer.json").write_text(json.dumps(values))
        assert checkpoint.load()


@pytest.fixture(scope="session")
def sealed(played, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("sealed") / "checkpoint-5"
    folder.mkdir()
    for name in ("config.json", "tokenizer_config.json", "generation_config.json"):
        shutil.copyfile(played / "runs" / "one" / "finetune" / name, folder / name)
    (folder / "model.safetensors").write_bytes(bytes(range(256)) * 8)
    (folder / "empty").write_bytes(b"")
    checkpoints.seal(folder, 1)
    return folder


@examples(300)
@given(data=st.data())
def test_any_damage_to_a_sealed_checkpoint_is_seen(sealed, data):
    path = data.draw(st.sampled_from(sorted(sealed.iterdir())))
    content = path.read_bytes()
    what = data.draw(st.sampled_from(["flip", "flip", "cut", "remove", "spoil"] if content else ["remove"]))
    try:
        if what == "remove":
            path.unlink()
        else:
            place = data.draw(st.integers(0, len(content) - 1))
            flipped = content[:place] + bytes([content[place] ^ data.draw(st.integers(1, 255))]) + content[place + 1 :]
            other = {"flip": flipped, "cut": content[:place], "spoil": data.draw(spoilt(content))}[what]
            if other == content:
                return
            path.write_bytes(other)
        with guard(sealed):
            assert checkpoints.damage(sealed) is not None
    finally:
        path.write_bytes(content)
    assert checkpoints.damage(sealed) is None


def test_every_byte_of_a_seal_counts(sealed):
    path = sealed / checkpoints.SEAL
    content = path.read_bytes()
    try:
        for place in range(len(content)):
            for flip in (1, 0x20):
                path.write_bytes(content[:place] + bytes([content[place] ^ flip]) + content[place + 1 :])
                assert checkpoints.damage(sealed) is not None, (place, flip)
    finally:
        path.write_bytes(content)


@examples(100)
@given(content=ANYTHING.map(spelled) | st.binary(max_size=99))
def test_a_seal_of_anything_seals_nothing(sealed, content):
    path = sealed / checkpoints.SEAL
    before = path.read_bytes()
    try:
        path.write_bytes(content)
        with guard(sealed):
            assert checkpoints.damage(sealed) is not None
    finally:
        path.write_bytes(before)
