"""The report of an entry: its pictures and numbers are right, and it says what is missing."""

import json
from pathlib import Path

import pytest
from play import TINY
from reports import HOSTILE, Page, change, copied, drawn

from league.cli import ending as report
from league.data.corpora import load_split
from league.errors import UserError
from league.files import digest_of
from league.record.shape import BrokenRule, read_record
from league.record.wording import in_words
from league.report import write as entry_report
from league.report.facts import ALWAYS, gather
from league.report.pictures import PICTURES
from league.report.write import write_entry_report, write_report
from league.run.entry import Conduct
from league.tasks.task import task_of
from league.values import Options, readable
from tools import report as tool

DRAWN = PICTURES.keys() & {*ALWAYS, *task_of(TINY).report_parts}  # of this league's task


@pytest.fixture
def entry(played, tmp_path) -> Path:
    return copied(played / "runs" / "one", tmp_path / "one")


# The verdict in words


@pytest.mark.parametrize(
    "rule, expected, found, words",
    [
        ("data.talks.train.used", 50_000, 20_000, "20,000 rows of talks.train were used; the league asks for 50,000."),
        ("data.talks.train.sha256", "a" * 64, "b" * 64, "talks.train holds other rows than the league's."),
        ("clock.minutes", 120.0, 130.25, "The clock stands at 130.25 minutes; no more than 120 can be."),
        ("fixed.batch_size", 64, 32, "The fixed value batch_size is 32; the rule book says 64."),
        ("finetune.steps", 500, 12, "The finetune stage ended after 12 of 500 steps."),
        ("finetune.dropout", 0.1, None, "finetune.dropout: expected 0.1, found nothing."),
        ("league", "a published rule book", "x 1", "There is no published rule book for x 1."),
    ],
)
def test_a_broken_rule_is_a_sentence(rule, expected, found, words):
    assert in_words(BrokenRule(rule, expected, found)) == words


def test_a_broken_rule_is_short_whatever_it_holds():
    for value in (HOSTILE * 1000, [1] * 9999, {"a": {"b": "c" * 9999}}, 10**300, -1e300, True, "", 2**53):
        for rule in ("fixed.x" * 40, "data.", "data", "x.steps", "data.a.b.origin", "clock.minutes", ""):
            assert len(in_words(BrokenRule(rule, value, value))) < 700


# The page


def test_scoring_leaves_the_report(played):
    folder = played / "runs" / "one"
    text = (folder / "report.html").read_text(encoding="utf-8")
    page, record = Page(text), read_record(folder / "record.json")
    told = (played / "stdout.txt").read_text().splitlines()
    assert "report: runs/one/report.html" in told and told[-1].startswith("FINAL_TEST_BLEU = ")
    assert len(text.encode()) < 1_000_000
    assert len(page.ids) == len(set(page.ids))
    assert all(page.labels) and len(page.labels) == 4
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "")
    assert f"{record.score.value:.2f}" in page.text
    for name, value in record.asked.items():
        assert name in ("league", "seed") or (name in page.text and readable(value) in page.text)
    assert {f"{name}.png" for name in DRAWN} == {path.name for path in (folder / "plots").iterdir()}
    for path in (folder / "plots").iterdir():
        assert path.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    assert record.clock.spent.keys() == {"pretrain", "finetune", "score"}


def test_a_report_is_replaced_whole_and_nothing_else_changes(entry):
    before = {path.name: digest_of(path) for path in entry.iterdir() if path.is_file()}
    (entry / "plots").mkdir()
    (entry / "plots" / "old.png").write_text("old")
    (entry / "report.html").write_text("old")
    write_report(gather(entry, has_attention=False), entry)
    assert {path.name for path in (entry / "plots").iterdir()} == {f"{name}.png" for name in DRAWN - {"attention"}}
    assert "old" != (entry / "report.html").read_text()
    after = {path.name: digest_of(path) for path in entry.iterdir() if path.is_file() and path.name != "report.html"}
    assert after == before
    assert not list(entry.glob(".*"))


def test_a_report_can_go_elsewhere(entry, tmp_path):
    assert write_entry_report(entry, tmp_path / "a" / "b").is_file()
    assert not (entry / "report.html").exists()


def test_plots_that_lead_elsewhere_are_not_followed(entry, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "dear.txt").write_text("dear")
    (entry / "plots").symlink_to(tmp_path / "mine")
    with pytest.raises(UserError, match="cannot write to"):
        write_report(gather(entry, has_attention=False), entry)
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["dear.txt"]


def test_the_translations_are_shown_with_their_references(entry):
    page, test = drawn(entry), load_split(TINY, TINY.pretrain.corpus, "test", None)
    assert list(test.sources)[0] in page.text
    assert list(test.targets)[0].split()[0] in page.text


STATES = {
    "stage A only": (("finetune",), "Only stage A is complete", ["train_finetune.py"]),
    "not scored": ((), "There is no score yet", ["evaluate_bleu.py"]),
    "nothing": (
        ("pretrain", "finetune"),
        "No stage is complete yet",
        ["python train_pretrain.py --league tiny --entry one"],
    ),
}


@pytest.mark.parametrize("name", STATES)
def test_an_entry_under_way_has_a_page_without_test_sentences(entry, name):
    dropped, says, words = STATES[name]
    with change(entry) as record:
        del record["score"]
        for stage in dropped:
            del record["stages"][stage]
    page, test = drawn(entry, has_attention=True, test=load_split(TINY, TINY.pretrain.corpus, "test", None)), None
    test = load_split(TINY, TINY.pretrain.corpus, "test", None)
    assert says in page.text and all(word in page.text for word in words)
    assert not any(text in page.text for side in (test.sources, test.targets) for text in side)
    assert "Test sentences are shown once" in page.text
    assert ("Ein Hund" in (entry / "report.html").read_text()) == (name != "nothing")


def test_what_happened_to_an_entry_is_told(entry):
    with change(entry) as record:
        record["stages"]["pretrain"].update(out_of_time=True, reused=True)
        del record["score"], record["stages"]["finetune"]
        record["diverged"] = {"stage": "finetune", "step": 7, "loss": 1e14}
    page = drawn(entry)
    for words in (
        "The clock cut stage A off",
        "Taken over from another entry",
        "diverged: at step 7 its loss was 1.00e+14",
    ):
        assert words in page.text


@pytest.mark.parametrize("from_search", [True, False])
def test_stages_of_the_entrys_own_search_are_not_called_another_entrys(entry, from_search):
    with change(entry) as record:
        for stage in record["stages"].values():
            stage.update(reused=True, from_search=from_search)
    text = drawn(entry).text
    assert ("Found by its own search" in text) == from_search
    assert text.count("Taken over from another entry") == (not from_search)


def test_an_entry_that_stopped_in_a_stage_says_at_which_step_and_shows_its_curve(entry):
    with change(entry) as record:
        del record["score"], record["stages"]["finetune"], record["stages"]["pretrain"]
    checkpoint = entry / "under_way" / "pretrain" / "checkpoint-16"
    checkpoint.mkdir(parents=True)
    logs = [{"step": step, "loss": 6.0 - step / 10, "learning_rate": 1e-4} for step in range(1, 17)]
    (checkpoint / "trainer_state.json").write_text(json.dumps({"log_history": logs}))
    page = drawn(entry)
    assert "Stopped in stage A at step 16 of 24, and saved" in page.text
    assert "No stage is complete yet" not in page.text and "Learning curves" in page.text
    assert "Gained and forgotten" not in page.text, "there is nothing to see in it yet"
    (checkpoint / "trainer_state.json").write_text("[" * 100_000)
    assert "Stopped in stage A at step 16 of 24" in drawn(entry).text


MISSING = {
    "other translations": "not the file that was scored",
    "no translations": "is missing",
    "other test set": "another test set",
    "unknown league": "not known here",
    "endless line": "letters",
    "no data": "not at hand",
}


@pytest.mark.parametrize("name", MISSING)
def test_what_is_missing_is_told_and_the_rest_shown(entry, tmp_path, name):
    path, settings = entry / "translations.txt", {}
    with change(entry) as record:
        if name == "other test set":
            record["data"]["captions.test"]["sha256"] = "0" * 64
        elif name == "unknown league":
            record["league"]["name"] = "mars"
        elif name == "endless line":
            path.write_text("x" * 10_000 + "\n" * 25)
            record["score"]["sha256"]["translations.txt"] = digest_of(path)
        elif name == "other translations":
            path.write_text("better\n" * 25)
        elif name == "no translations":
            path.unlink()
        elif name == "no data":
            settings["data_dir"] = str(tmp_path)
    page = drawn(entry, has_attention=True, **settings)
    assert MISSING[name] in page.text
    assert "better" not in page.text
    assert str(entry.parent) not in page.text, "a page that travels names no folder of this machine"
    assert "The tuned values" in page.text and "Learning curves" in page.text
    if name == "unknown league":
        assert "attention-data" not in page.ids and "There is no published rule book for mars 1." in page.text


def test_a_score_that_the_translations_do_not_bear_out_is_told(entry):
    with change(entry) as record:
        record["score"]["value"] = 77.77
    assert "the record says 77.77" in drawn(entry).text


def test_a_verdict_is_judged_anew(entry):
    with change(entry) as record:
        record["asked"]["dropout"] = 0.3
    page = drawn(entry)
    assert "open" in page.text and "pretrain.dropout: expected 0.3, found 0.1." in page.text


def test_a_schedule_that_is_off_at_every_step_is_one_line(entry):
    with change(entry) as record:
        curve = record["stages"]["finetune"]["curve"]
        record["stages"]["finetune"]["curve"] = [point | {"learning_rate": 0.5} for point in curve[:1] * 3]
    page = drawn(entry)
    assert page.text.count("finetune.learning_rate at step") == 1
    assert "The same at 2 further steps." in page.text


# The hook


class Stub:
    conduct, writes, folder, options = Conduct(), True, Path("runs/one"), Options(league="demo")

    def hold(self):
        return True


def test_a_report_that_fails_is_told_in_a_line(monkeypatch, capsys):
    monkeypatch.setattr(entry_report, "write_entry_report", lambda *_, **__: 1 / 0)
    report.draw_report(Stub())
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith(
        "no report was drawn: ZeroDivisionError: division by zero; python -m tools.report runs/one"
    )
    assert len(told.err.splitlines()) == 1


def test_a_folder_that_may_not_be_written_shows_its_score_all_the_same(monkeypatch, capsys):
    def refuse(_):
        raise UserError("cannot write to runs/one: Read-only file system.")

    monkeypatch.setattr(Stub, "hold", refuse)
    report.draw_report(Stub())
    assert "no report was drawn: UserError: cannot write to runs/one" in capsys.readouterr().err


def test_a_trial_has_no_report(monkeypatch):
    monkeypatch.setattr(entry_report, "write_entry_report", lambda *_, **__: pytest.fail("drawn"))
    trial = Stub()
    trial.conduct = Conduct(is_quiet=True)
    report.draw_report(trial)


def test_the_tool_says_where_it_wrote(entry, capsys):
    tool.main([str(entry)])
    assert capsys.readouterr().out == f"report: {entry / 'report.html'}\n"
    with pytest.raises(UserError, match="--data_dir"):
        tool.main([str(entry), "--data_dir", str(entry / "nowhere")])
