"""What a reader's report is made of: the words that decided, and the word that is hidden."""

import pytest
import torch

from league.report.reading import deciding_words, middle_word
from league.tasks.task import task_of
from league_config import DEMO_READERS
from modeling import train_tokenizer

WORDS = "the farmer carries a wonderful goat into the barn".split()


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer(WORDS * 20, 400, 64, masks=True)


def test_the_word_that_wins_a_filter_is_marked(tokenizer):
    torch.manual_seed(1)
    task = task_of(DEMO_READERS)
    values = {"d_model": 16, "nhead": 2, "num_layers": 1, "d_ff": 16, "dropout": 0.0, "activation": "relu"}
    head = {"conv_filters": 4, "kernel_sizes": "1", "classifier_dropout": 0.0}
    model = task.model_class()(task.config_of(values | head)).eval()
    row = tokenizer.backend_tokenizer.encode(" ".join(WORDS)).ids
    words = deciding_words(model, tokenizer, row)
    assert [word for word, _ in words] == WORDS
    marked = [word for word, is_deciding in words if is_deciding]
    assert 1 <= len(marked) <= 3
    # Without them the label has less to speak for it.
    hidden = model.model(torch.tensor([row])).last_hidden_state
    answers = model.answers(hidden, None)[0]
    label = model(torch.tensor([row])).logits.argmax()
    gains = model.classifier.weight[label] * answers.amax(2).relu()[0]
    winners = answers.argmax(2)[0]
    assert winners[gains.argmax()] < len(row)


@pytest.mark.parametrize(
    ("pieces", "place"),
    [([" a", " big", " goat", " eats"], 2), ([" wonder", "ful", " old", " barn"], 2), ([".", ","], 1), ([" a"], 0)],
)
def test_the_hidden_word_is_a_whole_one_near_the_middle(pieces, place):
    assert middle_word(pieces) == place
