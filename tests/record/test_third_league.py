"""A league with other data: the organiser's page shows its rule book, and nothing else has to change."""

import re
import shutil
import sys

import pytest
from conftest import ROOT, command, run

from league.data import corpora as data
from league.record.shape import read_record
from league_config import DEMO

pytestmark = pytest.mark.long

SHORT = {  # the rule book's settings, for a test
    "minutes=60.0,": "minutes=60.0, vocab_size=320,",
    "AING.pretrain.arguments": 'AING.pretrain.arguments | {"max_steps": 12, "warmup_steps": 4, "lr_scheduler_kwargs": '
    '{"num_decay_steps": 4, "decay_type": "linear"}}',
    "AING.finetune.arguments": '{"max_steps": 8}',
}
THINGS = {"사과": "apples", "책": "books", "연필": "pencils", "의자": "chairs", "고양이": "cats"}
PEOPLE = {"나는": "I see", "민수는": "Minsu sees", "우리는": "we see", "선생님은": "the teacher sees"}
ALL = """
import evaluate_bleu, train_finetune, train_pretrain
flags = ["--league", "club", "--data_dir", "data"]
train_pretrain.main([*flags, "--d_model", "32", "--nhead", "2", "--num_layers", "1", "--d_ff", "64"])
train_finetune.main([*flags, "--warmup_steps", "2"])
evaluate_bleu.main(flags)
"""


@pytest.fixture
def fork(tmp_path):
    """A copy of the project with the league of the organiser's page in it, and text files for its corpora."""
    for path in (*ROOT.glob("*.py"), *(ROOT / name for name in ("league", "modeling", "tools"))):
        if path.is_dir():
            shutil.copytree(path, tmp_path / path.name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copyfile(path, tmp_path / path.name)
    page = (ROOT / "docs" / "organiser.md").read_text(encoding="utf-8")
    (book,) = re.findall(r"```python\n(CLUB = .*?)```", page, re.DOTALL)
    for before, after in SHORT.items():
        assert book.count(before) == 1
        book = book.replace(before, after)
    config = tmp_path / "league_config.py"
    before, _, after = config.read_text(encoding="utf-8").rpartition("LEAGUES = ")
    assert after.count("\n") == 1, "the page says that it is the last line"
    config.write_text(before + book, encoding="utf-8")
    pairs = [
        (f"{who} {what} {number}개를 본다.", f"{PEOPLE[who]} {number} {THINGS[what]}.")
        for number in range(1, 8)
        for who in PEOPLE
        for what in THINGS
    ]
    for corpus, splits in {"everyday": ("train", "validation", "test"), "news": ("train", "validation")}.items():
        folder = tmp_path / "data" / corpus
        folder.mkdir(parents=True)
        for split in splits:
            some = pairs if split == "train" else pairs[:10]
            for side, language in enumerate(("ko", "en")):
                text = "".join(f"{pair[side]}\n" for pair in some)
                (folder / f"{split}.{language}").write_text(text, encoding="utf-8")
    return tmp_path


def test_the_league_of_the_organisers_page_is_played_and_published(fork):
    done = run([sys.executable, "-c", ALL], fork)
    assert re.fullmatch(r"FINAL_TEST_BLEU = [\d.]+", done.stdout.strip().split("\n")[-1])
    assert re.search(r"^validation BLEU +everyday +news$", done.stdout, re.MULTILINE)
    assert broken_rules(fork) == {"league"}
    assert "published: club 1" in run([sys.executable, "-m", "tools.publish"], fork).stdout
    run(command("--league", "club", "--data_dir", "data", "--again", script=str(fork / "evaluate_bleu.py")), fork)
    assert {rule.split(".")[0] for rule in broken_rules(fork)} == {"data"}  # text files, and few of them


def test_text_too_small_for_the_vocabulary_is_told_before_any_training(fork):
    config = fork / "league_config.py"
    config.write_text(config.read_text(encoding="utf-8").replace("vocab_size=320", "vocab_size=1000"), encoding="utf-8")
    words = command("--league", "club", "--data_dir", "data", script=str(fork / "train_pretrain.py"))
    told = run(words, fork, expect=2).stderr.strip().split("\n")[-1]
    assert told.startswith("error: the text of everyday gives a vocabulary of ") and "asks for 1000" in told


def broken_rules(folder) -> set[str]:
    record = read_record(folder / "runs" / "baseline" / "record.json")
    return {broken.rule for broken in record.broken_rules}


def test_text_files_with_the_published_contents_are_as_good_as_the_source(tmp_path):
    corpus = DEMO.finetune.corpus
    published = data.load_split(DEMO, corpus, "validation", None)
    (tmp_path / corpus.name).mkdir()
    for language, texts in {"de": published.sources, "en": published.targets}.items():
        text = "".join(f"{line}\n" for line in texts)
        (tmp_path / corpus.name / f"validation.{language}").write_text(text, encoding="utf-8")
    files = data.load_split(DEMO, corpus, "validation", str(tmp_path))
    assert files.report["origin"] == "files" and files.report["sha256"] == published.report["sha256"]
