"""The readers' tasks: their losses, what is frozen, what their metric counts, and what they refuse."""

import math
from dataclasses import replace
from types import SimpleNamespace

import evaluate
import numpy as np
import pytest
import torch
from conftest import ROOT
from play import TINY_READERS
from torch.nn import functional as F

from league.errors import UserError
from league.tasks import accuracy
from league.tasks.classify import Classify
from league.tasks.freezing import check_freeze, effective, freeze, frozen
from league.tasks.loss import LabelLoss, MaskedLoss
from league.tasks.mask import Mask
from league.tasks.predicting import name_hidden
from league.tasks.resampling import interval
from league.tasks.task import task_of
from league.untrusted import Number, as_type
from league_config import DEMO_READERS, FROZEN, LEAGUES, QUESTIONS_KO, ReaderFinetuneHP, ReaderHP

STRUCTURE = {"d_model": 32, "nhead": 2, "num_layers": 3, "d_ff": 64, "dropout": 0.0, "activation": "gelu"}
HEAD = {"conv_filters": 8, "kernel_sizes": "2,3", "classifier_dropout": 0.1, "freeze": "nothing"}


def masked_model():
    torch.manual_seed(3)
    return Mask(DEMO_READERS, "pretrain").new_model(STRUCTURE, None).train()


@pytest.mark.parametrize("epsilon", [0.0, 0.1])
def test_the_loss_is_that_of_the_full_logits(epsilon):
    model = masked_model()
    input_ids = torch.randint(5, DEMO_READERS.vocab_size, (6, 11))
    labels = torch.where(torch.rand(6, 11) < 0.2, input_ids, -100)
    labels[0, 0] = 7
    wanted = F.cross_entropy(model(input_ids).logits.flatten(0, 1), labels.flatten(), label_smoothing=epsilon)
    args = SimpleNamespace(label_smoothing_factor=epsilon, bf16=False, fp16=False)
    loss = MaskedLoss(model, args)
    found = loss(model(input_ids), labels)
    assert found.item() == pytest.approx(wanted.item(), rel=1e-5)
    expected = torch.autograd.grad(wanted, model.parameters())
    for one, other in zip(torch.autograd.grad(found, model.parameters()), expected, strict=True):
        assert torch.allclose(one, other, atol=1e-6)


def test_positions_that_are_not_predicted_get_no_logits(monkeypatch):
    model = masked_model()
    loss = MaskedLoss(model, SimpleNamespace(label_smoothing_factor=0.0, bf16=False, fp16=False))
    labels = torch.full((4, 9), -100)
    labels[1, 2] = labels[3, 8] = 17
    hidden, targets = loss.rows(model(torch.full((4, 9), 6))["last_hidden_state"], labels)
    assert hidden.shape == (2, 32) and targets.tolist() == [17, 17]


def test_the_loss_of_labels_is_shared_over_a_global_batch():
    logits, labels = torch.randn(8, 5), torch.randint(5, (8,))
    loss = LabelLoss(SimpleNamespace(label_smoothing_factor=0.1))
    whole = loss({"logits": logits}, labels)
    parts = [loss({"logits": logits[part]}, labels[part], torch.tensor(8)) for part in (slice(3), slice(3, 8))]
    assert sum(parts).item() == pytest.approx(whole.item(), rel=1e-6)
    assert whole.item() == pytest.approx(F.cross_entropy(logits, labels, label_smoothing=0.1).item(), rel=1e-6)


def classifier(name: str, num_layers: int = 3):
    task = task_of(DEMO_READERS)
    model = task.model_class()(task.config_of(STRUCTURE | HEAD | {"num_layers": num_layers}))
    freeze(model.model, name)
    return model


@pytest.mark.parametrize("name", FROZEN)
@pytest.mark.parametrize("num_layers", [1, 2, 3])
def test_what_is_frozen_is_read_back_from_the_weights(name, num_layers):
    model = classifier(name, num_layers)
    assert frozen(model.model) == effective(name, num_layers)
    optimizer = torch.optim.SGD([weight for weight in model.parameters() if weight.requires_grad], lr=0.1)
    before = {key: weight.clone() for key, weight in model.named_parameters()}
    model(torch.randint(5, 99, (2, 6)), labels=torch.tensor([0, 1])).loss.backward()
    optimizer.step()
    assert frozen(model.model) == effective(name, num_layers)
    for key, weight in model.named_parameters():
        assert torch.equal(weight, before[key]) or weight.requires_grad, key
    assert not torch.equal(model.classifier.weight, before["classifier.weight"])


def test_a_frozen_weight_that_moved_is_found_out():
    model = classifier("all")
    with torch.no_grad():
        model.model.layers[0].feed_forward.up_proj.weight.add_(0.1)
    assert frozen(model.model) == "something else"


def test_a_label_that_no_record_could_name_is_refused_before_it_is_learned():
    settings = TINY_READERS.finetune.settings | {"labels": {"Sci/Tech": "science", "Sport": "sport"}}
    league = replace(TINY_READERS, finetune=replace(TINY_READERS.finetune, settings=settings))
    with pytest.raises(UserError, match="the label 'Sci/Tech': up to 60 letters"):
        task_of(league).check("finetune", league.tuned("finetune")(warmup_steps=2))


def test_an_unknown_freeze_is_refused():
    for name in ("half", "all_but_last_0", "all_but_last_x", ""):
        with pytest.raises(UserError, match="--freeze"):
            check_freeze(name)


@pytest.mark.parametrize(
    "values",
    [{"conv_filters": 0}, {"kernel_sizes": "2;3"}, {"kernel_sizes": ""}, {"kernel_sizes": "99"}, {"freeze": "some"}]
    + [{"classifier_dropout": 1.0}, {"learning_rate": -1.0}],
)
def test_values_that_cannot_be_trained_are_refused(values):
    with pytest.raises(UserError, match=f"--{next(iter(values))}"):
        task_of(DEMO_READERS).check("finetune", ReaderFinetuneHP(**values))


def test_a_structure_that_cannot_be_built_is_refused():
    with pytest.raises(UserError, match="--activation"):
        task_of(DEMO_READERS, "pretrain").check("pretrain", ReaderHP(activation="tanh"))


@pytest.mark.parametrize("stage", ["pretrain", "finetune"])
@pytest.mark.parametrize("num_layers", [1, 4])
@pytest.mark.parametrize("league", [DEMO_READERS, QUESTIONS_KO])
def test_the_size_is_what_is_built(league, stage, num_layers):
    task, values = task_of(league, stage), STRUCTURE | HEAD | {"num_layers": num_layers}
    model = task.model_class()(task.config_of(values))
    assert task.num_parameters(values) == model.num_parameters()
    assert task.num_parameters(model.config.to_dict()) == model.num_parameters()


def test_every_readers_league_says_which_labels_it_knows():
    for league in LEAGUES.values():
        if league.task == "classify":
            assert len(Classify(league).labels) >= 2


@pytest.mark.parametrize(
    "values", [{"freeze": "half"}, {"kernel_sizes": "a,b"}, {"kernel_sizes": 5}, {"conv_filters": "x"}]
)
def test_values_of_a_stranger_s_record_are_judged_and_never_crash(values):
    task, asked = task_of(DEMO_READERS), STRUCTURE | HEAD | values
    name = next(iter(values))
    assert task.expected_structure(asked)[name] == values[name]
    assert (task.num_parameters(asked) is None) == (name != "freeze")
    with pytest.raises((UserError, TypeError)):
        task.check("finetune", ReaderFinetuneHP(**values))


def test_validation_is_without_dropout():
    task = Mask(DEMO_READERS, "pretrain")
    split = task.load_split(DEMO_READERS.pretrain.corpus, "validation", None)
    tokenizer = task.train_tokenizer(task.load_split(DEMO_READERS.pretrain.corpus, "train", None))
    model = task.new_model(STRUCTURE | {"dropout": 0.5}, tokenizer)
    first, again = (task.validate(model.train(), tokenizer, split) for _ in range(2))
    assert first == again


# The metric.


def test_accuracy_and_its_interval_are_those_of_the_rows():
    generator = np.random.default_rng(1)
    references = generator.choice(["a", "b", "c"], 400).tolist()
    predictions = [one if generator.random() < 0.8 else "a" for one in references]
    statistics = accuracy.statistics(predictions, references)
    share = np.mean([one == other for one, other in zip(predictions, references, strict=True)])
    assert accuracy.value(statistics.sum(0)) == pytest.approx(100 * share)
    low, high = interval(accuracy, statistics)
    half = 196 * np.sqrt(share * (1 - share) / 400)
    assert high - low == pytest.approx(2 * half, rel=0.15)


def test_f1_of_a_case_counted_by_hand():
    # a: 2 right of 3 found and 2 wanted; b: 0 right of 1 found and 2 wanted.
    found = accuracy.extras(["a", "a", "a", "b"], ["a", "a", "b", "b"], None)
    assert found["precision of a"] == pytest.approx(200 / 3) and found["recall of a"] == 100.0
    assert found["precision of b"] == 100.0 and found["recall of b"] == 50.0
    assert found["macro_f1"] == pytest.approx((80 + 200 / 3) / 2)


def test_the_metric_is_a_module_of_evaluate():
    metric = evaluate.load(str(ROOT / "league/tasks/accuracy.py"))
    assert metric.compute(predictions=["a", "b"], references=["a", "a"]) == {"accuracy": 50.0}


@pytest.mark.parametrize("loss", [40.0, 1e9, math.inf, math.nan])
def test_whatever_a_model_loses_the_record_can_hold_its_perplexity(loss):
    task = task_of(DEMO_READERS, "pretrain")
    found = name_hidden(task, torch.nn.Identity(), [[1, 2]], lambda batch: [(0, 1, loss) for _ in batch], None)
    assert as_type(dict[str, Number], found) == found


def test_the_loss_of_a_reader_in_a_plain_trainer_is_the_same_in_parts():
    model = classifier("nothing").eval()
    ids, labels = torch.randint(5, 300, (8, 6)), torch.tensor([0, 1] * 4)
    whole = model(ids, labels=labels, num_items_in_batch=torch.tensor(8)).loss
    parts = [
        model(one, labels=label, num_items_in_batch=torch.tensor(8)).loss
        for one, label in zip(ids.split(2), labels.split(2), strict=True)
    ]
    assert sum(parts).item() == pytest.approx(whole.item(), rel=1e-5)
    assert whole.item() == pytest.approx(model(ids, labels=labels).loss.item(), rel=1e-5)
