"""Glimpses show how a stage is doing, cost next to nothing, and leave no trace in the weights."""

import shutil
from types import SimpleNamespace

import pytest
from conftest import SMALL
from play import play
from played_copy import a_copy, weights_of  # noqa: F401

from league.run import glimpse
from league.run.glimpse import MOST_OF_CLOCK, Glimpses
from league.run.progress import MOST_GLIMPSES, ProgressFile
from league.untrusted import read_json


def test_the_weights_are_the_same_to_the_bit_and_the_glimpses_are_seen(here, monkeypatch):
    monkeypatch.setattr(glimpse, "MOST_OF_CLOCK", 1e9)
    seen = []
    update = ProgressFile.update

    def update_and_read(self, *args):
        self._next = 0.0
        update(self, *args)
        seen.append(read_json(self.path))

    monkeypatch.setattr(ProgressFile, "update", update_and_read)
    weights = weights_of(here)
    shutil.rmtree(here / "runs" / "one")
    play("train_pretrain", "--entry", "one", *SMALL)
    assert weights_of(here) == weights
    last = seen[-1]
    assert [one["step"] for one in last["glimpses"]] == list(range(1, 25))
    assert set(last["glimpses"][0]["scores"]) == {"captions", "talks"}
    assert last["sentence"] and any(one["prediction"] for one in last["glimpses"])


@pytest.fixture
def glimpses(monkeypatch) -> Glimpses:
    """Glimpses on a clock of the test's own; each takes a second of it, a single sentence a quarter."""
    now = [0.0]
    monkeypatch.setattr(glimpse.time, "monotonic", lambda: now[0])
    made = Glimpses.__new__(Glimpses)
    made.seen, made.began, made.spent, made.longest, made.steps = [], 0.0, 0.0, 0.0, 0
    made.samples, made.sentence, made.now = {"captions": (), "talks": ()}, "", now

    def take(step: int) -> SimpleNamespace:
        now[0] += 1.0
        return SimpleNamespace(step=step)

    def predict(inputs) -> None:
        now[0] += 0.25

    made._glimpse, made._predict = take, predict
    return made


def test_all_glimpses_together_keep_to_their_share_of_the_time(glimpses):
    for step in range(30_000):
        glimpses.now[0] += 0.25
        glimpses.look(step)
        assert glimpses.spent <= MOST_OF_CLOCK * glimpses.now[0] + 0.2, "but for what the first guess may miss"
    assert len(glimpses.seen) > 50
    assert glimpses.spent > 0.5 * MOST_OF_CLOCK * glimpses.now[0], "the share is used"


def test_few_of_many_are_kept_from_the_first_to_the_last(glimpses):
    glimpses.began, glimpses.longest = -1e9, 1.0
    for step in range(3 * MOST_GLIMPSES):
        glimpses.look(step)
    assert len(glimpses.seen) < MOST_GLIMPSES
    assert glimpses.seen[0].step == 0 and glimpses.seen[-1].step == 3 * MOST_GLIMPSES - 1
