"""The board: entries are judged without trust, proven and ranked with their ties."""

import json
import shutil

import pytest
from deck import deal, judged, read, varied
from hand_ins import a_day, an_entry  # noqa: F401
from play import TINY

from league.data.corpora import load_split
from league.proof import checks as proof
from league.proof.comparison import Comparison
from league.proof.noise import Noise
from tools.board import build, standings
from tools.board.cache import Cache


@pytest.fixture(scope="module")
def targets() -> list[str]:
    return list(load_split(TINY, TINY.pretrain.corpus, "test", None).targets)


# ---- Judging


def test_what_was_played_stands_on_the_board_with_its_score_computed_anew(played, one):
    board = build(played / "runs")
    (row,) = board.entries
    assert (row.name, row.rank, row.state, row.score) == ("one", 1, "claimed", one["score"]["value"])
    assert row.statistics.shape == (25, 10) and not row.notes and not board.refused


def test_a_record_alone_stands_as_a_claim_and_says_so(elsewhere, one):
    deal(elsewhere / "alice", varied(one, 1, bleu=30.0))
    (row,) = build(elsewhere).entries
    assert row.state == "claimed" and "as claimed" in row.notes[0]


REFUTED = {
    "translations": "translations.txt",
    "score": "value is",
    "interval": "interval is",
    "weights": "model.safetensors",
    "clock": "pretrain took 10.00 minutes by clock.json",
    "verdict": "does not own up to: The clock stands at 999 minutes",
    "a file more": "pytorch_model.bin",
}


@pytest.mark.parametrize("accident", REFUTED)
def test_what_is_not_true_is_refuted_and_not_ranked(played, elsewhere, accident):
    folder = shutil.copytree(played / "runs" / "one", elsewhere / "one")
    record = read(folder)
    if accident == "translations":
        (folder / "translations.txt").write_text("A man.\n" * 25)
    elif accident == "score":
        record["score"]["value"] += 1
    elif accident == "interval":
        record["score"]["interval"] = [20.0, 30.0]
    elif accident == "weights":
        (folder / "finetune" / "model.safetensors").write_bytes(b"others")
    elif accident == "clock":
        clock = json.loads((folder / "clock.json").read_text())
        clock["spent"]["pretrain"] = 600.0
        (folder / "clock.json").write_text(json.dumps(clock))
    elif accident == "verdict":
        record["clock"]["minutes"] = 999.0
    else:
        (folder / "finetune" / "pytorch_model.bin").write_bytes(b"x")
    (folder / "record.json").write_text(json.dumps(record))
    board = build(elsewhere)
    (row,) = board.unranked
    assert row.state == "refuted" and not board.entries
    assert any(REFUTED[accident] in reason for reason in row.reasons), row.reasons


def test_late_and_open_entries_stand_below_with_their_reasons(elsewhere, one):
    late, other = varied(one, 1, bleu=90.0), varied(one, 2, bleu=80.0)
    late["clock"] |= {"minutes": 7.0, "spent": {"pretrain": 6.0, "finetune": 0.5, "score": 0.5}}
    other["score"]["decoding"]["num_beams"] = 9
    deal(elsewhere / "late", judged(late))
    deal(elsewhere / "other", judged(other))
    deal(elsewhere / "sound", varied(one, 3, bleu=10.0))
    board = build(elsewhere)
    assert [row.name for row in board.entries] == ["sound"]
    assert [(row.name, row.state) for row in board.unranked] == [("late", "late"), ("other", "open")]
    assert board.unranked[0].reasons == ["The clock stands at 7 minutes; no more than 5 can be."]
    assert "num_beams: expected 4, found 9" in board.unranked[1].reasons[0]


def test_each_league_has_a_board_of_its_own(elsewhere, one):
    deal(elsewhere / "mine", varied(one, 1, bleu=10.0))
    foreign = varied(one, 2, bleu=99.0)
    foreign["league"]["name"] = foreign["asked"]["league"] = "elsewhere"
    deal(elsewhere / "theirs", judged(foreign))
    board = build(elsewhere)
    assert {standing.name: [row.name for row in standing.rows] for standing in board.standings} == {
        "tiny": ["mine"],
        "elsewhere": ["theirs"],
    }
    assert [row.name for row in board.entries] == ["mine"]


# ---- Proving


def test_an_entry_is_verified_by_the_full_proof_once(played, elsewhere, monkeypatch):
    shutil.copytree(played / "runs" / "one", elsewhere / "one")
    told = []
    assert [row.state for row in build(elsewhere, verify=True, say=told.append).entries] == ["verified"]
    assert told[-1] == "1/1 one: verified"
    monkeypatch.setattr(proof, "checks", lambda *_: pytest.fail("proven again"))
    assert [row.state for row in build(elsewhere, verify=True).entries] == ["verified"]
    # Without --verify nothing is promised, and what other code has proven is not proven.
    assert [row.state for row in build(elsewhere).entries] == ["claimed"]
    monkeypatch.setattr("league.record.code.code_digest", lambda *_: "0" * 64)
    monkeypatch.setattr(proof, "checks", lambda *_: iter([proof.Check("the weights translate", ["they do not"])]))
    assert [row.state for row in build(elsewhere, verify=True).unranked] == ["refuted"]


def test_what_fails_the_full_proof_is_refuted(played, elsewhere, monkeypatch):
    shutil.copytree(played / "runs" / "one", elsewhere / "one")
    monkeypatch.setattr(proof, "checks", lambda *_: iter([proof.Check("the weights translate", ["they do not"])]))
    for _ in range(2):  # the second time from what is kept
        (row,) = build(elsewhere, verify=True).unranked
        assert (row.state, row.reasons) == ("refuted", ["the weights translate: they do not"])


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), MemoryError("too little")])
def test_what_this_machine_cannot_do_refutes_nobody(played, elsewhere, monkeypatch, error):
    shutil.copytree(played / "runs" / "one", elsewhere / "one")

    def broken_off(*_):
        raise error

    with monkeypatch.context() as accident:
        accident.setattr(proof, "checks", broken_off)
        (row,) = build(elsewhere, verify=True).entries
        assert row.state == "claimed" and "the proof broke off" in row.notes[-1] and str(error) in row.notes[-1]
    monkeypatch.setattr(proof, "checks", lambda *_: iter([proof.Check("anything", [])]))
    assert build(elsewhere, verify=True).entries[0].state == "verified"


def test_an_entry_that_upsets_the_proof_is_refuted_and_stops_nothing_else(played, elsewhere, monkeypatch):
    shutil.copytree(played / "runs" / "one", elsewhere / "one")
    monkeypatch.setattr(proof, "checks", lambda *_: 1 // 0)
    (row,) = build(elsewhere, verify=True).unranked
    assert row.state == "refuted" and "ZeroDivisionError" in row.reasons[0]


def test_a_claim_that_cannot_be_proven_stays_a_claim(elsewhere, one):
    deal(elsewhere / "one", varied(one, 1, bleu=5.0))
    (row,) = build(elsewhere, verify=True).entries
    assert row.state == "claimed" and any("not handed in" in note for note in row.notes)


def test_a_hand_in_cannot_bring_its_own_proof(elsewhere, monkeypatch):
    elsewhere.mkdir()
    assert Cache.beside(elsewhere).folder is not None
    monkeypatch.chdir(elsewhere)
    assert Cache.beside(elsewhere).folder is None and Cache.beside(elsewhere.parent).folder is None


# ---- Ranking


def test_all_that_cannot_be_told_from_the_leader_share_its_rank(elsewhere, one, monkeypatch):
    monkeypatch.setattr(standings, "noise_of", lambda *_: Noise(1.0, 100))  # two runs may be 2.81 apart
    for number, bleu in enumerate([40.0, 38.0, 37.3, 37.1, 35.0, 20.0]):
        record = varied(one, number, bleu)
        record["score"]["interval"] = [bleu - 0.1, bleu + 0.1]
        deal(elsewhere / f"e{number}", record)
    rows = build(elsewhere).entries
    assert [(row.rank, row.is_tied) for row in rows] == [
        (1, True), (1, True), (1, True), (4, True), (4, True), (6, False),
    ]  # fmt: skip


def test_a_real_difference_over_the_sentences_parts_two_entries(elsewhere, one, targets):
    half = [target if i % 2 else "A man." for i, target in enumerate(targets)]
    deal(elsewhere / "all", varied(one, 1), targets)
    deal(elsewhere / "half", varied(one, 2), half)
    deal(elsewhere / "nearly", varied(one, 3), [*half[:-1], "A dog."])
    rows = build(elsewhere).entries
    assert [row.name for row in rows][0] == "all"
    assert [row.rank for row in rows] == [1, 2, 2]


def test_equal_scores_go_to_the_earlier_one(elsewhere, one):
    for number, age in enumerate([10, 30, 20]):
        deal(elsewhere / f"e{number}", varied(one, number, bleu=10.0), age=age)
    assert [row.name for row in build(elsewhere).entries] == ["e1", "e2", "e0"]


def test_an_entry_that_is_not_ranked_takes_nobody_the_rank(elsewhere, one):
    late = varied(one, 1, bleu=10.0) | {"official": False}
    late["data"]["captions.train"]["origin"] = "files"
    deal(elsewhere / "own-files", late, age=2)
    deal(elsewhere / "official", varied(one, 1, bleu=10.0), age=1)
    assert [row.name for row in build(elsewhere).entries] == ["official"]


def test_of_entries_with_the_same_weights_only_the_earlier_one_is_ranked(elsewhere, one):
    deal(elsewhere / "copycat", varied(one, 1, bleu=10.0), age=1)
    deal(elsewhere / "original", varied(one, 1, bleu=10.0), age=2)
    board = build(elsewhere)
    assert [row.name for row in board.entries] == ["original"]
    assert board.unranked[0].copy_of == "original" and "very weights of original" in board.unranked[0].reasons[0]


def test_seeds_of_the_same_values_are_counted_and_averaged(elsewhere, one):
    for number, bleu in enumerate([10.0, 12.0]):
        deal(elsewhere / f"e{number}", varied(one, number, bleu))
    deal(elsewhere / "other", varied(one, 7, 30.0, learning_rate=2e-5))
    told = {row.name: (row.num_seeds, row.seeds_mean) for row in build(elsewhere).entries}
    assert told == {"e0": (2, 11.0), "e1": (2, 11.0), "other": (1, 30.0)}


def test_a_tie_is_what_a_comparison_calls_one():
    assert Comparison(("a", "b"), (30.0, 31.0), 0.5, None, {}).is_tie
