"""The verdict: a pure function from a record to the rules that it breaks. What is not TUNE must equal the rule book."""

import json
from pathlib import Path
from typing import Any

PUBLISHED = Path(__file__).with_name("rulebooks.json")


def published_rules(name: str, version: int) -> dict[str, Any] | None:
    """Return the FIXED values of a league as they were published, whatever league_config.py says today."""
    return json.loads(PUBLISHED.read_text(encoding="utf-8")).get(f"{name} {version}")


def broken_rules(record: dict[str, Any]) -> list[dict[str, Any]]:
    """Return each broken rule with what it expected and what was found."""
    league = record["league"]
    fixed = published_rules(league["name"], league["version"])
    if fixed is None:
        return [_broken("league", "a published rule book", f"{league['name']} {league['version']}")]
    broken = _differences("fixed", fixed, league["fixed"])
    for name, report in record["data"].items():
        wanted = report.get("asked_for", report["used"])
        if wanted > report["used"]:
            broken.append(_broken(f"data.{name}.pairs", wanted, report["used"]))
    for name, facts in record.get("stages", {}).items():
        broken += _broken_in_stage(name, facts, record["asked"], fixed)
    if "score" in record:
        broken += _differences("score.decoding", fixed["decoding"], record["score"]["decoding"])
    if record["clock"]["minutes"] > fixed["minutes"]:
        broken.append(_broken("clock.minutes", fixed["minutes"], record["clock"]["minutes"]))
    return broken


def _broken_in_stage(name: str, facts: dict[str, Any], asked: dict[str, Any], fixed: dict[str, Any]) -> list[dict]:
    # Effective values, read back from the trained objects, against the rule book and what was asked for.
    expected = fixed["training"] | asked | fixed[name]["arguments"]
    expected |= {"batch_size": fixed["batch_size"], "vocab_size": fixed["vocab_size"], "steps": expected["max_steps"]}
    found = facts["effective"] | {"steps": facts["steps"]}
    names = [key for key in expected if key in found]
    return [_broken(f"{name}.{key}", expected[key], found[key]) for key in names if expected[key] != found[key]]


def _differences(path: str, expected: Any, found: Any) -> list[dict[str, Any]]:
    if isinstance(expected, dict) and isinstance(found, dict):
        keys = [*expected, *(key for key in found if key not in expected)]
        return [broken for key in keys for broken in _differences(f"{path}.{key}", expected.get(key), found.get(key))]
    return [] if expected == found else [_broken(path, expected, found)]


def _broken(rule: str, expected: Any, found: Any) -> dict[str, Any]:
    return {"rule": rule, "expected": expected, "found": found}
