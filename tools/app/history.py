"""What the app was asked and what it answered, in a database of one's own, where that is asked for."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, Column, DateTime, Integer, MetaData, String, Table, Text, create_engine, or_, select
from sqlalchemy.dialects.mysql import MEDIUMTEXT
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from league.errors import UserError

from .models import Translated

MOST_SHOWN = 50
RATINGS = range(1, 6)
LARGEST = 2**63 - 1  # number that a database holds
LONG = Text().with_variant(MEDIUMTEXT(), "mysql", "mariadb")

ANSWERS = Table(
    "answers",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("time", DateTime, nullable=False),  # UTC
    Column("model", String(200), nullable=False),
    Column("document", LONG, nullable=False),
    Column("summary", LONG, nullable=False),
    Column("settings", JSON, nullable=False),
    Column("rating", Integer),
    # A server may have another one by default, without Korean.
    mysql_charset="utf8mb4",
    mariadb_charset="utf8mb4",
)


class History:
    """A table of answers in the database that a URL names."""

    def __init__(self, url: str):
        try:
            where = make_url(url)
            if where.get_backend_name() == "sqlite" and not where.database:
                raise ValueError("it names no file, as sqlite:///history.db does")
            self.name = where.render_as_string(hide_password=True)
            self.engine = create_engine(where, pool_pre_ping=True)
        except (ArgumentError, NoSuchModuleError, ModuleNotFoundError, ValueError) as error:
            # Not the URL itself, which may hold a password.
            raise UserError(f"--history: no database can be opened by this URL: {_in_short(error)}.") from None
        with self._at_work():
            ANSWERS.metadata.create_all(self.engine)

    @contextmanager
    def _at_work(self) -> Iterator[None]:
        try:
            yield
        except SQLAlchemyError as error:
            raise UserError(f"the history {self.name}: {_in_short(getattr(error, 'orig', None) or error)}.") from None

    def keep(self, lines: list[Translated], num_beams: int) -> None:
        """Keep the best answer of each model to each text."""
        rows = [
            {
                "time": datetime.now(UTC).replace(tzinfo=None),
                "model": side.name[:200],
                "document": line.source,
                "summary": side.hypotheses[0].text,
                "settings": {"num_beams": num_beams, "columns": list(side.columns)},
            }
            for line in lines
            for side in line.sides
        ]
        with self._at_work(), self.engine.begin() as database:
            database.execute(ANSWERS.insert(), rows)

    def search(self, words: str = "", most: int | None = MOST_SHOWN, at_least: int = 0) -> list[Any]:
        """Return the answers in which all these words occur and that are rated so well, the newest first."""
        wanted = select(ANSWERS).order_by(ANSWERS.c.id.desc()).limit(most)
        for word in words.split():
            columns = (ANSWERS.c.document, ANSWERS.c.summary, ANSWERS.c.model)
            wanted = wanted.where(or_(*(column.icontains(word, autoescape=True) for column in columns)))
        if not 0 <= at_least <= RATINGS[-1]:
            raise UserError(f"a rating is a number from {RATINGS[0]} to {RATINGS[-1]}.")
        if at_least:
            wanted = wanted.where(ANSWERS.c.rating >= at_least)
        with self._at_work(), self.engine.connect() as database:
            return list(database.execute(wanted))

    def rate(self, number: Any, rating: Any) -> None:
        if rating not in RATINGS:
            raise UserError(f"a rating is a number from {RATINGS[0]} to {RATINGS[-1]}.")
        self._change(ANSWERS.update().values(rating=rating), number)

    def delete(self, number: Any) -> None:
        self._change(ANSWERS.delete(), number)

    def _change(self, change: Any, number: Any) -> None:
        with self._at_work(), self.engine.begin() as database:
            is_number = isinstance(number, int) and not isinstance(number, bool) and 0 < number <= LARGEST
            if not is_number or not database.execute(change.where(ANSWERS.c.id == number)).rowcount:
                raise UserError("there is no answer of this number.")

    def as_training_data(self, words: str = "", at_least: int = 0) -> Iterator[str]:
        """Yield lines of JSON that --data_dir takes, with the columns of each model's league, the oldest first."""
        for row in reversed(self.search(words, None, at_least)):
            text = dict(zip(row.settings["columns"], (row.document, row.summary), strict=True))
            yield json.dumps(text, ensure_ascii=False) + "\n"


def _in_short(error: BaseException) -> str:
    return " ".join(str(error).split())[:200].rstrip(".")
