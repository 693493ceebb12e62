"""Searches of leagues whose stages differ: each trial is judged on all rows of what decides in its own stage."""

import pytest

from league_config import DEMO, DEMO_READERS, DEMO_SUMMARIES
from tools.tune.trial import FORGOTTEN, VALIDATED, shortened


def rows(rules) -> tuple[int, int]:
    return rules.pretrain.corpus.num_validation_pairs, rules.finetune.corpus.num_validation_pairs


@pytest.mark.parametrize("rules", [DEMO_READERS, DEMO_SUMMARIES], ids=lambda rules: rules.name)
def test_a_short_trial_is_judged_on_its_own_objective(rules):
    first, second = rows(rules)
    assert rows(shortened(rules, "finetune", 30)) == (first, second)
    assert rows(shortened(rules, "pretrain", 100)) == (VALIDATED, second)


def test_one_objective_is_judged_where_the_score_is(rules=DEMO):
    first, _ = rows(rules)
    assert rows(shortened(rules, "finetune", 30)) == (first, FORGOTTEN)
    assert rows(shortened(rules, "pretrain", 100)) == (VALIDATED, FORGOTTEN)


def test_a_whole_trial_is_the_league_itself():
    for rules in (DEMO, DEMO_READERS):
        assert shortened(rules, "pretrain", rules.pretrain.arguments["max_steps"]) is rules
