"""Publish the rule books: keep the FIXED values of each league version, which records are judged by ever after.

python -m tools.publish
"""

import json

from league.errors import UserError, run_command
from league.files import write_json
from league.rules import PUBLISHED
from league_config import LEAGUES


def main() -> None:
    published = json.loads(PUBLISHED.read_text(encoding="utf-8"))
    for league in LEAGUES.values():
        name = f"{league.name} {league.version}"
        if published.setdefault(name, league.fixed()) != league.fixed():
            raise UserError(f"league {name} is published with other values; raise its version in league_config.py.")
    write_json(PUBLISHED, published)
    print(f"published: {', '.join(published)}")


if __name__ == "__main__":
    run_command(main)
