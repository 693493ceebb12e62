"""A study as a page and a picture."""

from pathlib import Path
from typing import Any

from league.files import write_bytes, write_text
from league.report.drawing import as_svg
from league.report.look import render
from league.report.texts import Text, joined, say
from league.values import readable

from .charts import (
    draw_curves,
    draw_effects,
    draw_expectation,
    draw_knob,
    draw_parallel,
    draw_progress,
    mark_of,
    study_png,
)
from .effects import Effect, Expectation, complete_trials, expectation, main_effects
from .reading import (
    TITLES,
    Study,
    Trial,
    about_effects,
    about_expectation,
    best_trial,
    best_value,
    is_full,
    metrics_of,
    states_of,
    trials_of,
    worth_label,
)

FEW = 4  # finished trials of a stage, below which a picture for each value has next to nothing to show
SMALL, TALL, WIDE = (3.9, 2.8), (3.9, 5.6), (11.6, 3.6)  # inches of a panel; the wide one is for wide screens


def as_html(study: Study, effects: dict[str, list[Effect]], expected: Expectation | None, links: dict[str, str]) -> str:
    """Return the whole page; `links` are addresses of other pages, by what they show."""
    return render(
        "tools/tune/templates/study.html",
        title=say("tune.title", entry=study["entry"]),
        links=links,
        marks={mark_of(trial): about_trial(study, trial) for trial in study["trials"]},
        study=study,
        metrics=metrics_of(study),
        setting=setting_of(study),
        numbers=first_numbers(study, expected),
        progress=progress(study),
        winner=winner(study),
        expectation=expectation_panel(study, expected),
        stages=[stage_section(study, stage, effects[stage]) for stage in TITLES],
    )


def setting_of(study: Study) -> str:
    """Say in a line how the search was set."""
    names = ("league", "seed", "preset", "sampler", "device", "metric", "domain")
    values = {name: study[name] for name in names}
    values["only"] = say(f"tune.only.{study['only']}") if study["only"] else ""
    return say("tune.setting", **values)


def first_numbers(study: Study, expected: Expectation | None) -> list[tuple[str, str]]:
    """Return the few numbers that one looks for first."""
    state = say(f"tune.state.{study['state']}")
    numbers = [
        (f"{study['used_minutes']:.1f}", say("tune.minutes", budget=f"{study['budget_minutes']:g}", state=state)),
        (str(len(study["trials"])), say("tune.trials", states=states_of(study["trials"]) or "–")),
    ]
    if best := best_value(study):
        numbers.append((f"{best[0]:.2f}", say("tune.best", what=best[1])))
    if expected:
        numbers.append((f"{expected.expected:.1f}", say("tune.to_expect")))
    if final := study["final"]:
        verdict = say("state.official") if final["official"] else say("state.open")
        numbers.append((f"{final['test']:.2f}", say("tune.test", metric=study["metric"], state=verdict)))
    return numbers


def about_trial(study: Study, trial: Trial) -> Text:
    """Return what the marks of a trial say."""
    parts = [say("tune.trial", number=trial["number"], stage=say(f"stage.{trial['stage']}"))]
    if trial["validation"] is not None:
        parts.append(f"{study['metrics'][trial['stage']]} {trial['validation']:.2f}")
    if trial["change"] is not None:
        parts.append(say("tune.change", change=f"{trial['change']:+.2f}"))
    parts.append(say("tune.steps", steps=trial["steps"], share=f"{trial['fidelity']:.0%}"))
    parts += [f"{knob} {readable(value)}" for knob, value in trial["values"].items()]
    return joined([*parts, say(f"tune.trial.{trial['state']}")], "; ")


def progress(study: Study) -> dict[str, str]:
    """Return the picture of the best value over time, for wide and for narrow screens."""
    words = say("tune.progress.label", metric=study["metric"])
    if best := best_value(study):
        words = joined([words, joined([f"{best[0]:.2f}", best[1]], " ")], ": ")
    sizes = {"wide": WIDE, "narrow": (SMALL[0], 3.6)}
    return {width: as_svg(f"progress-{width}", words, size, draw_progress, study) for width, size in sizes.items()}


def winner(study: Study) -> list[tuple[str, str, str]]:
    """Return the picked values beside the start values."""
    return [
        (knob, readable(value), readable(study["knobs"].get(stage, {}).get(knob, {}).get("default", "")))
        for stage, part in (("pretrain", "structure"), ("finetune", "finetune"))
        for knob, value in ((study["best"] or {}).get(part) or {}).items()
    ]


def expectation_panel(study: Study, expected: Expectation | None) -> dict[str, str]:
    words = about_expectation(study, expected)
    return {
        "words": words,
        "picture": as_svg("expectation", words, (SMALL[0], 2.3), draw_expectation, study, expected),
    }


def stage_section(study: Study, stage: str, effects: list[Effect]) -> dict[str, Any]:
    """Return what there is to show of a stage: pictures, and a table of its trials."""
    knobs, trials = list(study["knobs"].get(stage, {})), trials_of(study, stage)
    title, words, fine = say(f"tune.title.{stage}"), about_effects(study, stage, effects), stage == "finetune"
    label, is_known = joined([title, words], ": "), any(effect.is_known for effect in effects)
    section = {
        "title": title,
        "few": "",
        "trials": [],
        "effects": {
            "words": words,
            "picture": is_known and as_svg(f"effects-{stage}", label, SMALL, draw_effects, study, stage, effects),
        },
    }
    if not trials:
        return section
    best = best_trial(study, stage)
    num_finished = len(complete_trials(study, stage))
    section["few"] = say("tune.few", n=num_finished) if num_finished < FEW else ""
    section["trials"] = [(trial, mark_of(trial), cells_of(study, trial, knobs), trial is best) for trial in trials]
    heads = {name: say(f"tune.head.{name}") for name in ("trial", "structure", "steps", "change", "minutes", "pace")}
    section["heads"] = [heads["trial"], *knobs, *[heads["structure"]] * fine, heads["steps"]]
    section["heads"] += [study["metrics"][stage], *[heads["change"]] * (fine and study["has_one_task"])]
    section["heads"] += [heads["minutes"], heads["pace"]]
    if section["few"]:
        return section
    paths, curves = say("tune.paths.label", stage=title), say("tune.curves.label", stage=title)
    labels = {knob: say("tune.knob.label", worth=worth_label(study, stage), knob=knob) for knob in knobs}
    return section | {
        "paths": as_svg(f"parallel-{stage}", paths, TALL, draw_parallel, study, stage),
        "curves": as_svg(f"curves-{stage}", curves, SMALL, draw_curves, study, stage),
        "knobs": {
            knob: as_svg(f"knob-{stage}-{knob}", label, SMALL, draw_knob, study, stage, knob)
            for knob, label in labels.items()
        },
    }


def cells_of(study: Study, trial: Trial, knobs: list[str]) -> list[str]:
    """Return the numbers of a trial as its row in the table has them."""
    began, ended, fine = trial["began_minute"], trial["ended_minute"], trial["stage"] == "finetune"
    numbers = [readable(trial["values"][knob]) for knob in knobs]
    if fine:
        numbers.append("/".join(map(readable, trial["structure"].values())))
    numbers.append(f"{trial['steps']}" + ("" if is_full(trial) else f" ({trial['fidelity']:.0%})"))
    numbers.append("" if trial["validation"] is None else f"{trial['validation']:.2f}")
    if fine and study["has_one_task"]:
        numbers.append("" if trial["change"] is None else f"{trial['change']:+.2f}")
    numbers.append(f"{began:.1f}–" + ("" if ended is None else f"{ended:.1f}"))
    return [*numbers, "" if trial["steps_per_second"] is None else f"{trial['steps_per_second']:.1f}"]


def write_report(study: Study, folder: Path) -> Path:
    """Write report.html and report.png into a folder; return the page's path."""
    effects = {stage: main_effects(study, stage) for stage in TITLES}
    expected = expectation(study)
    around = {"report": Path("../report.html"), "board": Path("../../../board/index.html")}
    links = {name: path.as_posix() for name, path in around.items() if (folder / path).is_file()}
    page, picture = as_html(study, effects, expected, links), study_png(study, effects, expected)
    write_bytes(folder / "report.png", picture)
    write_text(folder / "report.html", page)
    return folder / "report.html"
