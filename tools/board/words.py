"""What the page and LEADERBOARD.md say alike."""

from league.tasks.metric import metric_of
from league_config import LEAGUES

from .rows import Row, Standing


def metric_label(standing: Standing) -> str:
    """Return the name of what a league is scored by; of one that is not known here, only that it is a score."""
    return metric_of(LEAGUES[standing.name]).LABEL if standing.name in LEAGUES else "score"


def about_ranks(standing: Standing) -> str:
    """Say how the ranks of a league come about."""
    seeds = (
        f"a difference of up to {standing.reach_of_seeds:.2f} may be the seed's luck (measured for this league)"
        if standing.reach_of_seeds is not None
        else "how far the seed moves the score was never measured for this league"
    )
    return (
        f"Ordered by {metric_label(standing)}, equal scores by when they came. The best entry leads a group: every "
        "entry after it that cannot be told from it shares its rank, marked =, and the first one that can be leads the "
        "next group. "
        f"Two entries cannot be told apart where a paired test over the sentences of the test set shows no difference "
        f"(p of 0.05 or more; without translations: where their intervals overlap), or where seeds may explain it: "
        f"{seeds}. When an entry came is the time of its record.json, or of its archive, as the system reports it."
    )


def rank_of(row: Row) -> str:
    return "–" if row.rank is None else f"{row.rank}{' =' if row.is_tied else ''}"


def state_of(row: Row) -> str:
    return "copy" if row.copy_of and row.state != "refuted" else row.state


def value(number: object) -> str:
    """Return a tuned value, short."""
    return f"{number:g}" if isinstance(number, float) else "–" if number is None else str(number)
