"""The open league's techniques, each by its property, and its rule book as it is played."""

from dataclasses import replace
from itertools import product
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from play import TINY
from safetensors.torch import load_file
from splits import PAIRS
from torch.nn import functional as F
from transformers import TrainerControl, TrainerState

from league.data.batches import PairCollator, TrainingOrder
from league.data.corpora import load_split
from league.errors import UserError
from league.proof.data import DataAtHand
from league.record.rules import rules_of
from league.rulebook import STAGES
from league.tasks.averaging import FILE, WeightAverage
from league.tasks.bpe_dropout import BpeDropout, RedrawnOrder
from league.tasks.hiding import HidingCollator
from league.tasks.loss import IGNORED, SmoothedLoss
from league.tasks.r_drop import RDropLoss
from league.tasks.task import task_of
from league_config import AING, AING_OPEN, DEMO, LEAGUES, OpenFinetuneHP, OpenHP
from modeling import AingConfig, AingForConditionalGeneration, train_tokenizer
from tools.tune.trial import shortened

TEXTS = [text for pair in PAIRS for text in pair] + ["Ein Hund, der (sehr!) weit läuft.", "", "日本 👩‍🚀 <eos>"]


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer(TEXTS, 400, 64)


@pytest.fixture
def model():
    torch.manual_seed(0)
    return AingForConditionalGeneration(
        AingConfig(vocab_size=50, d_model=16, nhead=2, num_layers=1, d_ff=32, dropout=0.0)
    )


# BPE-dropout


def test_without_dropout_the_tokens_are_the_plain_ones(tokenizer):
    plain = BpeDropout(tokenizer, 0.0, seed=1)
    for text in TEXTS:
        assert plain.encode(text, "0", 64).tolist() == tokenizer.backend_tokenizer.encode(text).ids


def test_dropped_merges_leave_the_text_and_depend_on_seed_and_place_alone(tokenizer):
    one, same, other = (BpeDropout(tokenizer, 0.3, seed) for seed in (1, 1, 2))
    places = [str(place) for place in range(40)]
    text = TEXTS[4]
    drawn = [one.encode(text, place, 64).tolist() for place in places]
    assert drawn == [same.encode(text, place, 64).tolist() for place in reversed(places)][::-1]
    assert drawn != [other.encode(text, place, 64).tolist() for place in places]
    assert len(set(map(tuple, drawn))) > 10
    assert {tokenizer.decode(ids, skip_special_tokens=True) for ids in drawn} == {text}
    assert one.encode(text, "0", 5).tolist() == drawn[0][:4] + [tokenizer.eos_token_id]


def test_all_merges_dropped_leave_bytes(tokenizer):
    ids = BpeDropout(tokenizer, 1.0, seed=1).encode("läuft", "0", 64)
    assert len(ids) == len(" läuft".encode()) + 1


def test_of_rows_that_a_filter_leaves_the_right_texts_are_cut(tmp_path):
    task = task_of(TINY, "pretrain")
    split = task.load_split(TINY.pretrain.corpus, "train", None)
    tokenizer = task.train_tokenizer(split)
    tokens = task.tokens(split, tokenizer, tmp_path).of_at_most(32)
    assert 16 <= len(tokens) < len(split.rows)
    order = TrainingOrder(tokens, 16, 6, seed=1)
    redrawn = RedrawnOrder(order, split, BpeDropout(tokenizer, 0.0, seed=1))
    for i in range(16 * 6):
        for name in ("input_ids", "labels"):
            assert list(redrawn[i][name]) == list(order[i][name])


# The average of weights


def train(steps: range, folder, average: WeightAverage, model) -> None:
    """Call an average as a Trainer would, that counts the weights up by the step, and is stopped after the last."""
    args, state, control = SimpleNamespace(output_dir=str(folder)), TrainerState(), TrainerControl()
    state.global_step = steps.start
    average.on_train_begin(args, state, control, model=model)
    for step in steps:
        with torch.no_grad():
            model.weight += step
        state.global_step = step + 1
        average.on_step_end(args, state, control)
    (folder / f"checkpoint-{steps.stop}").mkdir(exist_ok=True)
    average.on_save(args, state, control)


def test_the_average_is_that_of_the_formula_and_survives_a_stop(tmp_path):
    whole, stopped = torch.nn.Linear(2, 1, bias=False), torch.nn.Linear(2, 1, bias=False)
    stopped.load_state_dict(whole.state_dict())
    mean, weight = whole.weight.detach().clone(), whole.weight.detach().clone()
    for step in range(40):
        weight += step
        decay = min(0.8, (step + 1) / (step + 10))
        mean = decay * mean + (1 - decay) * weight
    average, control = WeightAverage(0.8), TrainerControl()
    train(range(40), tmp_path, average, whole)
    torch.testing.assert_close(load_file(tmp_path / "checkpoint-40" / FILE)["weight"], mean)
    train(range(25), tmp_path, WeightAverage(0.8), stopped)
    resumed = WeightAverage(0.8)
    train(range(25, 40), tmp_path, resumed, stopped)
    for one, linear in ((average, whole), (resumed, stopped)):
        torch.testing.assert_close(linear.weight.detach(), weight, msg="the training itself is not touched")
        one.on_train_end(None, TrainerState(), control)
        torch.testing.assert_close(linear.weight.detach(), mean)


# Hidden tokens


def batch_of(collator, places=range(8)):
    random_state = np.random.default_rng(3)
    draw = lambda: np.append(random_state.integers(5, 50, random_state.integers(3, 12)), 2)  # noqa: E731
    return collator([{"input_ids": draw(), "labels": draw(), "place": place} for place in places])


def test_without_hiding_the_batch_is_the_plain_one(model):
    plain, hidden = batch_of(PairCollator(model)), batch_of(HidingCollator(model, 3, 0.0, seed=1))
    assert all(torch.equal(plain[name], hidden[name]) for name in plain)


def test_what_is_hidden_depends_on_seed_and_place_and_labels_stay(model):
    plain = batch_of(PairCollator(model))
    one, same, other = (batch_of(HidingCollator(model, 3, 0.4, seed)) for seed in (1, 1, 2))
    moved = batch_of(HidingCollator(model, 3, 0.4, 1), range(8, 16))
    for name in ("input_ids", "decoder_input_ids"):
        assert torch.equal(one[name], same[name])
        assert not torch.equal(one[name], other[name]) and not torch.equal(one[name], moved[name])
        is_hidden = one[name] != plain[name]
        assert (one[name][is_hidden] == 3).all() and (plain[name][is_hidden] > 4).all()
        assert 0.2 < is_hidden.sum() / (plain[name] > 4).sum() < 0.6
    assert torch.equal(one["labels"], plain["labels"])


# R-Drop


def test_r_drop_is_what_its_formula_says_with_its_gradient(model):
    labels = batch_of(HidingCollator(model, 3, 0.0, seed=1, is_doubled=True))["labels"]
    hidden = torch.randn(*labels.shape, 16, requires_grad=True)
    args = SimpleNamespace(label_smoothing_factor=0.1, bf16=False, fp16=False)
    loss = RDropLoss(model, args, alpha=5.0)({"last_hidden_state": hidden}, labels)
    found = torch.autograd.grad(loss, (hidden, model.lm_head.weight))
    logits = hidden @ model.lm_head.weight.T
    smoothed = F.cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=IGNORED, label_smoothing=0.1)
    is_target = labels.chunk(2)[0] != IGNORED
    one, other = (part[is_target].log_softmax(-1) for part in logits.chunk(2))
    divergence = sum(F.kl_div(*pair, log_target=True, reduction="sum") for pair in ((one, other), (other, one)))
    wanted = smoothed + 5.0 / 4 * divergence / is_target.sum()
    torch.testing.assert_close(loss, wanted)
    for mine, exact in zip(found, torch.autograd.grad(wanted, (hidden, model.lm_head.weight)), strict=True):
        torch.testing.assert_close(mine, exact)


def test_r_drop_of_two_equal_passes_is_the_plain_loss(model):
    labels = batch_of(HidingCollator(model, 3, 0.0, seed=1))["labels"]
    hidden = torch.randn(*labels.shape, 16)
    args = SimpleNamespace(label_smoothing_factor=0.1, bf16=False, fp16=False)
    plain = SmoothedLoss(model, args)({"last_hidden_state": hidden}, labels)
    twice = RDropLoss(model, args, 5.0)({"last_hidden_state": torch.cat((hidden, hidden))}, torch.cat((labels, labels)))
    torch.testing.assert_close(twice, plain)


# The depth of the decoder


@pytest.mark.parametrize("depths", [(1, 3), (3, 1)])
def test_a_decoder_of_another_depth_generates_as_without_a_cache(depths):
    torch.manual_seed(0)
    sizes = {"vocab_size": 60, "d_model": 16, "nhead": 2, "d_ff": 32}
    model = AingForConditionalGeneration(AingConfig(**sizes, num_layers=depths[0], num_decoder_layers=depths[1])).eval()
    ids = torch.randint(5, 60, (3, 6))
    search = {"max_length": 12, "do_sample": False}
    for beams in (1, 3):
        cached, plain = (model.generate(ids, num_beams=beams, use_cache=cache, **search) for cache in (True, False))
        assert torch.equal(cached, plain)
    values = OpenHP(d_model=16, nhead=2, d_ff=32, num_layers=depths[0], num_decoder_layers=depths[1], vocab_size=60)
    assert task_of(AING_OPEN).num_parameters(vars(values)) == model.num_parameters()
    assert "num_decoder_layers" not in AingConfig().to_json_string()


# The rule book as it is played


def test_start_values_are_the_rule_book():
    start = vars(OpenHP()) | vars(OpenFinetuneHP())
    played = AING_OPEN.as_tuned(start, "pretrain")
    task_of(played).check("pretrain", OpenHP())
    task_of(played).check("finetune", OpenFinetuneHP())
    assert played.pretrain.arguments == AING_OPEN.as_tuned({}, "pretrain").pretrain.arguments
    assert rules_of(AING_OPEN.fixed()) is AING_OPEN


def test_a_rule_book_that_was_edited_is_played_from_the_same_start():
    edited = rules_of(AING_OPEN.fixed() | {"minutes": 60.0})
    assert edited.minutes == 60 != AING_OPEN.minutes
    for values in ({}, {"pretrain_steps": 9000, "steps": 500}):
        for stage in STAGES:
            assert edited.steps(stage, values) == AING_OPEN.steps(stage, values)
            played, usual = (getattr(rules.as_tuned(values, stage), stage) for rules in (edited, AING_OPEN))
            assert (played.arguments, played.settings) == (usual.arguments, usual.settings)


def test_each_value_has_its_place():
    values = {"pretrain_steps": 3000, "pretrain_decay": 0.2, "pretrain_warmup_steps": 100, "pretrain_batch_size": 128}
    values |= {"pretrain_talks": 7, "captions": 5, "talks": 6, "steps": 50, "batch_size": 32, "vocab_size": 500}
    values |= {"pretrain_r_drop": 5.0, "ema": 0.9, "num_beams": 8}
    first, second = (AING_OPEN.as_tuned(values, stage) for stage in ("pretrain", "finetune"))
    assert first.pretrain.arguments["max_steps"] == 3000 and second.finetune.arguments["max_steps"] == 50
    assert first.pretrain.arguments["lr_scheduler_kwargs"]["num_decay_steps"] == 600
    assert first.pretrain.arguments["warmup_steps"] == 100
    assert (first.batch_size, second.batch_size) == (128, 32) and first.vocab_size == second.vocab_size == 500
    pairs = [(part.corpus.num_train_pairs, part.corpus.num_other_pairs) for part in (first.pretrain, first.finetune)]
    assert pairs == [(29_000, 7), (6, 5)]
    assert first.pretrain.settings == {"r_drop": 5.0} and first.finetune.settings == {"ema": 0.9}
    assert second.decoding == AING.decoding | {"num_beams": 8}
    short = shortened(AING_OPEN, "pretrain", 600).as_tuned(values, "pretrain").pretrain.arguments
    assert (short["max_steps"], short["warmup_steps"]) == (300, 10)
    for odd in ("64", None, True, -1, float("inf"), float("nan")):
        AING_OPEN.as_tuned(dict.fromkeys(values, odd))


@pytest.mark.parametrize("name", sorted(set(LEAGUES) - {"aing-open"}))
def test_closed_leagues_are_played_as_they_stand(name):
    league = LEAGUES[name]
    if not league.tunes("steps"):
        assert league.as_tuned({"pretrain_steps": 5, "num_beams": 9}, "pretrain") is league
        assert "num_other_pairs" not in str(league.fixed())


def test_each_choice_of_rows_is_proven_with_data_of_its_own():
    data, tests = DataAtHand(None), []
    for number in (300, 200):
        corpus = replace(DEMO.pretrain.corpus, num_train_pairs=number)
        splits = data.splits(replace(DEMO, pretrain=replace(DEMO.pretrain, corpus=corpus)))
        assert splits["captions.train"].report["used"] == number
        tests.append(splits["captions.test"])
    assert tests[0] is tests[1] is data.test_set(DEMO), "what all share is loaded once"


def test_a_training_split_has_pairs_of_both_corpora():
    corpus = replace(DEMO.pretrain.corpus, num_train_pairs=100)
    alone, talks = (load_split(DEMO, one, "train", None) for one in (corpus, DEMO.finetune.corpus))
    mixed = load_split(DEMO, replace(corpus, num_other_pairs=70), "train", None)
    assert mixed.report["used"] == len(mixed.sources) == 170 and mixed.name == alone.name
    assert list(mixed.sources)[:100] == list(alone.sources)
    assert set(list(mixed.targets)[100:]) <= set(talks.targets)


def test_whatever_search_is_asked_for_a_checkpoint_can_keep_it(model, tmp_path):
    for num_beams, penalty in product(AING_OPEN.ranges("finetune")["num_beams"], (0.0, 0.7, 1.0, 2.0)):
        task = task_of(AING_OPEN.as_tuned({"num_beams": num_beams, "length_penalty": penalty}))
        task.prepare(model)
        model.save_pretrained(tmp_path)
        kept = AingForConditionalGeneration.from_pretrained(tmp_path)
        assert task.expected_decoding().items() <= task.decoding_in_effect(kept).items()
        assert num_beams == 1 or task.decoding_in_effect(kept)["length_penalty"] == penalty


@pytest.mark.parametrize(
    ("stage", "values", "said"),
    [
        ("pretrain", {"pretrain_steps": 0}, "--pretrain_steps 0: must be between 1 and"),
        ("pretrain", {"pretrain_steps": 600}, "--pretrain_warmup_steps 400: must be between 0 and the 300 steps"),
        ("pretrain", {"pretrain_ema": 1.0}, "--pretrain_ema 1.0: must be at least 0 and below 1"),
        ("pretrain", {"pretrain_captions": 3}, "together fewer than one batch of 64"),
        ("pretrain", {"vocab_size": 100}, "--vocab_size 100: must be between 300"),
        ("pretrain", {"num_decoder_layers": -1}, "--num_decoder_layers -1"),
        ("finetune", {"r_drop": -1.0}, "--r_drop -1.0: must be between 0 and 100"),
        ("finetune", {"num_beams": 0}, "--num_beams 0"),
        ("finetune", {"warmup_steps": 300}, "--warmup_steps 300: must be between 0 and the 200 steps"),
    ],
)
def test_values_that_cannot_be_are_refused(stage, values, said):
    with pytest.raises(UserError, match=said):
        task_of(AING_OPEN, stage).check(stage, AING_OPEN.tuned(stage)(**values))
