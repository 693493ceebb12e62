"""The tables: a JSON lines, CSV or Parquet file holds what text files hold, and columns of any name."""

import hashlib
import json
import os

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import Dataset
from splits import CAPTIONS, PAIRS, load

from league.data.corpora import load_split
from league.errors import UserError
from league_config import AING

pytest_plugins = "splits"

TEXT = ["null", "NA", "007", "a\u00a0b", "x\x85y", "\u2028", 'q, "r"\ns', " ", "", "\ufeff", "日本語"]
ROWS = [(f"{text} {i}" if i % 2 else text, i % 3) for i, text in enumerate(TEXT * 20)]
COLUMNS = ("text", "label")


def write_table(folder, rows, kind, names=COLUMNS, split="train"):
    (folder / CAPTIONS.name).mkdir(exist_ok=True)
    table = Dataset.from_dict(dict(zip((*names, "other"), zip(*((*row, 1) for row in rows), strict=True), strict=True)))
    path = folder / CAPTIONS.name / f"{split}.{kind}"
    {"jsonl": table.to_json, "csv": table.to_csv, "parquet": table.to_parquet}[kind](path)
    return path


@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet"])
def test_a_table_of_pairs_is_as_good_as_text_files(tmp_path, split, kind):
    for path in (tmp_path / CAPTIONS.name).iterdir():
        path.unlink()
    write_table(tmp_path, PAIRS, kind, ("de", "en"))
    assert load(tmp_path) == split


def test_text_files_go_before_a_table(tmp_path, split):
    write_table(tmp_path, PAIRS[:90], "jsonl", ("de", "en"))
    assert load(tmp_path) == split


@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet"])
def test_columns_come_as_they_are_written_line_by_line(tmp_path, kind):
    write_table(tmp_path, ROWS, kind)
    read = load_split(AING, CAPTIONS, "train", str(tmp_path), COLUMNS)
    tidied = [("\n".join(" ".join(line.split()) for line in text.split("\n")).strip(), str(i)) for text, i in ROWS]
    kept = [row for row in tidied if all(row)]
    assert list(zip(read.texts("text"), read.texts("label"), strict=True)) == kept
    assert read.report["dropped_one_sided"] == len(ROWS) - len(kept) > 0
    lines = "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in kept)
    assert read.report["sha256"] == hashlib.sha256(lines.encode()).hexdigest()


def test_what_is_no_text_comes_as_json_and_what_is_missing_as_nothing(tmp_path):
    write_table(tmp_path, PAIRS, "jsonl", split="test").write_text(
        '{"text": ["a", "b\\n"], "label": 1.5}\n\n{"text": "c"}\n{"text": null, "label": true}\n'
    )
    read = load_split(AING, CAPTIONS, "test", str(tmp_path), COLUMNS)
    assert read.texts("label") == ["1.5", "", "true"] and read.texts("text") == ['["a", "b\\n"]', "c", ""]


BAD_TABLES = {
    ("jsonl", b'{"text": "a", "label": 1}\n{"text": "a", label}\n'): "train.jsonl, line 2: not a JSON object",
    ("jsonl", b'{"text": "a", "label": 1}\n7\n'): "train.jsonl, line 2: not a JSON object",
    ("jsonl", b'{"text": "a", "label": 1}\n\n{"text": "caf\xe9"}'): "train.jsonl, line 3: not valid UTF-8 (byte 0xe9)",
    (
        "jsonl",
        b'{"text": "a", "label": "\\ud83d\\ude00"}\n{"text": "\\ud83d", "label": 2}',
    ): "train.jsonl, line 2: half a",
    ("jsonl", b'{"text": "a"}\n'): "has the columns text; wanted text and label",
    ("jsonl", b""): "train.jsonl is empty",
    ("csv", b"a,b\n1,2\n"): "has the columns a, b; wanted text and label",
    ("csv", b"text,label\n1,2,3\n"): "more values",
    ("csv", b"text,label\ncaf\xe9,1\n"): "can't decode byte 0xe9",
    ("csv", b'text,label\na,"2\n'): "train.csv",
    ("csv", b""): "train.csv",
    ("parquet", b"PAR1 and nothing else"): "train.parquet",
    ("parquet", b""): "train.parquet",
}


@pytest.mark.parametrize("kind, content", BAD_TABLES)
def test_a_table_that_cannot_be_read_is_named_in_one_line(tmp_path, kind, content, capfd):
    path = write_table(tmp_path, ROWS, kind)
    path.write_bytes(content)
    with pytest.raises(UserError) as caught:
        load_split(AING, CAPTIONS, "train", str(tmp_path), COLUMNS)
    assert BAD_TABLES[kind, content] in str(caught.value) and "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


def test_a_missing_table_is_named(tmp_path):
    with pytest.raises(UserError, match="needs train.jsonl or train.csv or train.parquet in multi30k"):
        load_split(AING, CAPTIONS, "train", str(tmp_path), COLUMNS)


def test_another_file_under_the_same_name_and_time_is_read_anew(tmp_path):
    path = write_table(tmp_path, [("text", i) for i in range(90)], "jsonl")
    read = load_split(AING, CAPTIONS, "train", str(tmp_path), COLUMNS)
    before = path.stat()
    path.write_text(path.read_text().replace('text":"text', 'text":"next'))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert set(load_split(AING, CAPTIONS, "train", str(tmp_path), COLUMNS).texts("text")) == {"next"}
    assert set(read.texts("text")) == {"text"}


def test_a_parquet_column_of_bytes_holds_the_texts_that_they_are(tmp_path):
    path = write_table(tmp_path, ROWS, "parquet")
    plain = load_split(AING, CAPTIONS, "train", str(tmp_path), COLUMNS).report["sha256"]
    texts = [text.encode() for text, _ in ROWS]
    pq.write_table(pa.table({"text": texts, "label": [str(label) for _, label in ROWS]}), path)
    assert load_split(AING, CAPTIONS, "train", str(tmp_path), COLUMNS).report["sha256"] == plain
    pq.write_table(pa.table({"text": [*texts, b"\xff"], "label": ["1"] * (len(texts) + 1)}), path)
    with pytest.raises(UserError, match=f"row {len(texts) + 1}: bytes that are no UTF-8"):
        load_split(AING, CAPTIONS, "train", str(tmp_path), COLUMNS)


@pytest.mark.parametrize("odd", ["3.5", "12a", ""])
def test_a_column_that_nobody_wants_may_hold_anything(tmp_path, odd):
    rows = [f"text {i},{i % 2},{odd if i == 10_500 else i}" for i in range(10_600)]
    path = write_table(tmp_path, ROWS, "csv")
    path.write_text("\n".join(["text,label,other", *rows]) + "\n")
    assert len(load_split(AING, CAPTIONS, "train", str(tmp_path), COLUMNS).texts("text")) == len(rows)
