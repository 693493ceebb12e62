"""What a search ends with: its best trial, the values of the winner, and all that the report is made of."""

from dataclasses import dataclass
from typing import Any

from league.hardware import device_name
from league.proof.noise import noise_of
from league.record.settings import Settings
from league.record.shape import Record
from league.record.wording import listed
from league.rulebook import STAGES, League, Range
from league.tasks.metric import metric_of

from .jobs import worth_of
from .outlook import outlook
from .space import Values, flags, start_values


@dataclass(frozen=True)
class Request:
    """What a search is asked for."""

    given: Settings | None  # the settings of --from
    preset: str
    minutes: float
    sampler: str
    only: str | None  # structure or finetune, where the other stage stays as it is
    fixed: dict[str, Values]  # by stage: what is taken where it is not searched


def best_of(rows: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Return the best trial in full: a fine-tune, or as long as there is none, a structure."""
    fulls = [row for row in rows if row["state"] == "complete" and row["fidelity"] == 1]
    for stage in ("finetune", "pretrain"):
        if of_stage := [row for row in fulls if row["stage"] == stage]:
            return max(of_stage, key=lambda row: row["validation"])
    return None


def winner_of(search) -> dict[str, Values]:
    """Return the values by stage that a search ends with."""
    rows = search.study.rows()
    best = best_of(rows)
    if best is None:
        return search.request.fixed | {"finetune": search.untried}
    if best["stage"] == "finetune":
        return {"pretrain": best["structure"], "finetune": best["values"]}
    shorts = [row for row in rows if row["base"] == best["number"] and row["state"] == "complete"]
    tuned = max(shorts, key=worth_of)["values"] if shorts else search.untried
    return {"pretrain": best["structure"], "finetune": tuned}


def settings_of(search) -> dict[str, Any]:
    """Return what `--from` takes."""
    winner = winner_of(search)
    return {
        "league": search.rules.name,
        "seed": search.options.seed,
        "model_hp": winner["pretrain"],
        "finetune_hp": winner["finetune"],
        "trials": search.num_trials,
        "minutes": round((search.earlier + search.used) / 60, 2),
    } | ({"game": search.entry.game.id} if search.entry.game else {})


def commands_of(search) -> list[str]:
    """Return the command lines that play the winner by hand."""
    winner = winner_of(search)
    shared = f"--league {search.rules.name} --entry {search.entry.name}-by-hand --seed {search.options.seed}"
    if search.options.data_dir:
        shared += " " + flags({"data_dir": search.options.data_dir})
    return [
        f"python train_pretrain.py {shared} {flags(winner['pretrain'])}".rstrip(),
        f"python train_finetune.py {shared} {flags(winner['finetune'])}".rstrip(),
        f"python evaluate_bleu.py {shared}",
    ]


def content_of(search, state: str) -> dict[str, Any]:
    """Return all that the report shows."""
    noise = noise_of(search.rules.name, search.rules.version)
    rules, request, rows = search.rules, search.request, search.study.rows()
    return {
        "format": 2,
        "entry": search.entry.name,
        "league": rules.name,
        "seed": search.options.seed,
        "sampler": request.sampler,
        "preset": request.preset,
        "only": request.only,
        "budget_minutes": round(search.budget / 60, 3),
        "used_minutes": round(search.used / 60, 3),
        "state": state,
        "device": listed(several_of(search.study.noted("at once", {}))) or device_name(),
        "metric": metric_of(rules).LABEL,
        "metrics": {stage: metric_of(rules, stage).LABEL for stage in STAGES},
        "has_one_task": rules.has_one_task,
        "domain": rules.validated("finetune")[0].domain,
        "knobs": {stage: knobs_of(rules, stage) for stage in STAGES},
        "trials": [facts_of(row) for row in rows],
        "plan": search.study.noted("plan", []),
        "next": outlook(rules, search.study.tried()),
        "best": _best(rows, winner_of(search), rules.has_one_task),
        "seed_deviation": noise and noise.deviation,
        "final": None,
        "commands": commands_of(search),
    }


def several_of(at_once: dict[str, int]) -> dict[str, int]:
    """Return how many workers of each kind of device worked at the same time; nothing where it was one."""
    return at_once if sum(at_once.values()) > 1 else {}


def _best(rows: list[dict[str, Any]], winner: dict[str, Values], has_one_task: bool) -> dict[str, Any] | None:
    best = best_of(rows)
    if best is None:
        return None
    is_tuned = best["stage"] == "finetune"
    structure = next(row for row in rows if row["number"] == (best["base"] if is_tuned else best["number"]))
    return {
        "structure": winner["pretrain"],
        "finetune": winner["finetune"],
        "validation": best["validation"] if is_tuned else None,
        "pretrain_validation": structure["validation"] if has_one_task else None,
        "change": best.get("change"),
    }


def knobs_of(rules: League, stage: str) -> dict[str, dict[str, Any]]:
    """Return range and start value of each knob, as plain JSON."""
    start, knobs = start_values(rules, stage), {}
    for name, span in rules.ranges(stage).items():
        shape = span._asdict() if isinstance(span, Range) else {"choices": list(span)}
        knobs[name] = shape | {"default": start[name]}
    return knobs


def facts_of(row: dict[str, Any]) -> dict[str, Any]:
    """Return a trial as the report takes it."""
    names = ("number", "stage", "values", "structure", "fidelity", "state", "origin", "began_minute")
    rest = ("steps", "validation", "change", "ended_minute", "reason")
    pace = row.get("pace")
    facts = {name: row[name] for name in names} | {name: row.get(name) for name in rest}
    return facts | {"curve": row.get("curve", []), "steps_per_second": pace and round(1 / pace, 3)}


def final_of(record: Record, domain: str) -> dict[str, Any]:
    """Return what became of the winner on the test set."""
    return {
        "validation": record.stages["finetune"].validation[domain],
        "test": record.score.value,
        "interval": list(record.score.interval),
        "official": record.official,
    }
