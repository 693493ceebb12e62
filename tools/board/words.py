"""What the page and LEADERBOARD.md say alike."""

from league.report.texts import Text, say
from league.tasks.metric import metric_of
from league.values import readable
from league_config import LEAGUES

from .rows import Row, Standing


def metric_label(standing: Standing) -> str:
    """Return the name of what a league is scored by; of one that is not known here, only that it is a score."""
    return metric_of(LEAGUES[standing.name]).LABEL if standing.name in LEAGUES else "score"


def about_ranks(standing: Standing) -> Text:
    """Say how the ranks of a league come about."""
    reach = standing.reach_of_seeds
    seeds = say("board.seeds.unknown") if reach is None else say("board.seeds.known", reach=f"{reach:.2f}")
    return say("board.about", metric=metric_label(standing), seeds=seeds)


def rank_of(row: Row) -> str:
    return "–" if row.rank is None else f"{row.rank}{' =' if row.is_tied else ''}"


def state_of(row: Row) -> str:
    return "copy" if row.copy_of and row.state != "refuted" else row.state


def value(number: object) -> str:
    """Return a tuned value, short."""
    return "–" if number is None else readable(number)
