"""The order of a league's entries: copies out, ties together, the rest below with their reasons."""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from league.errors import UserError
from league.proof.comparison import Comparison
from league.proof.data import DataAtHand
from league.proof.noise import Noise, noise_of
from league.proof.source import Source
from league.record.game import hidden_minutes
from league.tasks.metric import metric_of
from league.tasks.resampling import p_value
from league_config import LEAGUES

from .cache import Cache
from .crowd import judged
from .handed_in import find
from .proofs import prove
from .rows import Board, Refusal, Row, Standing, Unfinished

MOST_REFUSED = 1000  # that are listed
MOST_HIDDEN = 0.2  # minutes of a game: entries at work at once see each other's time two seconds late


def build(
    source: Path,
    data_dir: str | None = None,
    verify: bool = False,
    cache: Cache | None = None,
    say: Callable[[str], None] = lambda line: None,
    processes: int = 1,
) -> Board:
    """Judge everything in a folder or archive, and rank it league by league; nothing of an entry is run.

    More `processes` are for a command, whose main module they import again; a server asks for none.
    """
    if not source.exists():
        raise UserError(f"{source} is not there: give a folder with entries, or an archive.")
    cache = cache or Cache.beside(source)
    data = DataAtHand(data_dir)
    results = judged(_under_names_of_their_own(find(source)), data, cache, processes)
    rows = [result for result in results if isinstance(result, Row)]
    others = [result for result in results if isinstance(result, Refusal)]
    refused = _as_many_as_are_listed([one for one in others if not isinstance(one, Unfinished)])
    under_way = [one for one in others if isinstance(one, Unfinished)]
    leagues = defaultdict(list)
    for row in rows:
        leagues[row.league].append(row)
    if verify:
        worthwhile = [row for league in leagues.values() for row in _by_score(league) if row.state != "refuted"]
        prove(worthwhile, data, cache, say)
    _hold_games_together(rows, verify)
    # The league that most play first.
    order = sorted(leagues, key=lambda league: (-len(leagues[league]), league))
    return Board([_standing(league, leagues[league]) for league in order], refused, under_way, data, cache)


def _under_names_of_their_own(sources: Iterable[Source | tuple[str, str]]) -> Iterator[Source | Refusal]:
    names = set()
    for one in sources:
        if not isinstance(one, Source):
            yield Refusal(*one)
        elif one.name.casefold() in names:
            yield Refusal(one.name, "something else was handed in under that name")
        else:
            names.add(one.name.casefold())
            yield one


def _as_many_as_are_listed(refused: list[Refusal]) -> list[Refusal]:
    rest = len(refused) - MOST_REFUSED
    return [*refused[:MOST_REFUSED], Refusal(f"{rest:,} more", "refused as well")] if rest > 0 else refused


def _by_score(rows: Iterable[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: (-row.score, *_arrival(row)))


def _standing(league: tuple[str, int], rows: list[Row]) -> Standing:
    _find_copies(rows)
    _count_seeds(rows)
    noise = noise_of(*league)
    ranked = _by_score(row for row in rows if row.is_official and not row.copy_of)
    _rank(ranked, noise)
    return Standing(*league, noise and noise.reach, ranked, _by_score(row for row in rows if row.rank is None))


def _hold_games_together(rows: list[Row], verify: bool) -> None:
    """Refute an entry whose clock of its game leaves out what others of the game, which are believed, spent on it."""
    played = [row for row in rows if row.game and row.game_log and row.state != "refuted"]
    logs = defaultdict(list)
    for row in played:
        if row.is_proven or not verify:
            logs[row.game.id].append(row.game_log)
    for row in played:
        hidden = hidden_minutes(row.game_log, logs[row.game.id])
        if hidden > MOST_HIDDEN:
            row.refute([f"its game's clock leaves out {hidden:.2f} minutes that other entries of the game know of"])


def _find_copies(rows: list[Row]) -> None:
    """Leave of entries with the same weights one: official before open, proven before not, then the first."""
    first: dict[str, Row] = {}
    # What is not ranked itself cannot take another one's rank.
    for row in sorted(rows, key=lambda row: (not row.is_official, row.state != "verified", *_arrival(row))):
        if row.state == "refuted" or not row.weights:
            continue
        original = first.setdefault(row.weights, row)
        if original is not row:
            row.copy_of = original.name
            row.reasons = [f"has the very weights of {original.name}, which came first", *row.reasons]


def _arrival(row: Row) -> tuple:
    return row.source.received, row.name


def _count_seeds(rows: list[Row]) -> None:
    """Count with how many seeds the same values were played, and average their scores."""
    groups = defaultdict(list)
    for row in _by_score(rows):
        if row.state != "refuted" and not row.copy_of:
            groups[row.is_official, tuple(row.values.values())].append(row)
    for group in groups.values():
        best_by_seed = {row.seed: row.score for row in reversed(group)}
        for row in group:
            row.num_seeds, row.seeds_mean = len(best_by_seed), math.fsum(best_by_seed.values()) / len(best_by_seed)


def _rank(rows: list[Row], noise: Noise | None) -> None:
    """Give ranks: all that cannot be told apart from the best of a group share its rank; the next leads a new group."""
    leader = None
    for place, row in enumerate(rows, 1):
        if leader and is_tie(leader, row, noise):
            row.rank, row.is_tied, leader.is_tied = leader.rank, True, True
        else:
            row.rank, leader = place, row


def is_tie(leader: Row, row: Row, noise: Noise | None) -> bool:
    """Tell whether seeds or the test's rows may explain the difference; without predictions the intervals stand in."""
    scores = (row.score, leader.score)
    by_seeds = Comparison((row.name, leader.name), scores, 0.0, noise, {})
    if by_seeds.is_tie:
        return True
    if leader.statistics is None or row.statistics is None or len(leader.statistics) != len(row.statistics):
        return row.interval[1] >= leader.interval[0]
    chance = p_value(metric_of(LEAGUES[row.league[0]]), row.statistics, leader.statistics)
    return Comparison((row.name, leader.name), scores, chance, noise, {}).is_tie
