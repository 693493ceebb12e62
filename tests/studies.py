"""Studies of the tuner whose truth is known: width and dropout move the metric, and the learning rate."""

import numpy as np

KNOBS = {
    "pretrain": {
        "d_model": {"choices": [64, 128, 192, 256, 384, 512], "default": 128},
        "nhead": {"choices": [2, 4, 8], "default": 4},
        "num_layers": {"choices": [1, 2, 3, 4, 6], "default": 2},
        "d_ff": {"choices": [128, 256, 512, 1024, 2048], "default": 256},
        "dropout": {"low": 0.0, "high": 0.4, "log": False, "default": 0.1},
    },
    "finetune": {
        "learning_rate": {"low": 1e-6, "high": 3e-3, "log": True, "default": 1e-4},
        "lr_scheduler_type": {
            "choices": ["linear", "cosine", "constant_with_warmup", "inverse_sqrt"],
            "default": "linear",
        },
        "warmup_steps": {"choices": [0, 25, 50, 100, 200], "default": 50},
        "weight_decay": {"low": 0.0, "high": 0.1, "log": False, "default": 0.0},
        "label_smoothing_factor": {"low": 0.0, "high": 0.3, "log": False, "default": 0.1},
    },
}


def draw(rng: np.random.Generator, stage: str) -> dict:
    values = {}
    for knob, spec in KNOBS[stage].items():
        if "choices" in spec:
            values[knob] = spec["choices"][rng.integers(len(spec["choices"]))]
        elif spec["log"]:
            values[knob] = float(np.exp(rng.uniform(np.log(spec["low"]), np.log(spec["high"]))))
        else:
            values[knob] = float(rng.uniform(spec["low"], spec["high"]))
    return values


def true_validation(values: dict) -> float:
    return 26 + 3.5 * np.log2(values["d_model"] / 64) - 60 * (values["dropout"] - 0.15) ** 2


def true_change(values: dict) -> float:
    return -8 * (values["learning_rate"] / 3e-3) ** 0.5


def trial(number: int, stage: str, values: dict, **others) -> dict:
    steps = others.get("steps", 375)
    shares = np.linspace(0.03, 1, 30)
    end = 2.5 + 1.5 * np.random.default_rng(number).random()
    curve = [[int(share * steps), float(end + 5 * 2.0 ** (-8 * share))] for share in shares]
    minute = 1.2 * number
    return {
        "number": number,
        "stage": stage,
        "values": values,
        "structure": values,
        "fidelity": 1.0,
        "steps": steps,
        "state": "complete",
        "validation": None,
        "change": None,
        "began_minute": minute,
        "ended_minute": minute + 1.2,
        "steps_per_second": 5.1,
        "curve": curve,
        "origin": "sampler",
        "reason": None,
        **others,
    }


def study_of(num_structures: int, num_finetunes: int, noise: float = 0.8, seed: int = 0, **others) -> dict:
    """Return a study whose BLEU is known: width and dropout move it, and the learning rate."""
    rng, trials = np.random.default_rng(seed), []
    short = [draw(rng, "pretrain") for _ in range(num_structures)]
    for values in short:
        validation = 0.6 * true_validation(values) + noise * rng.standard_normal()
        trials.append(trial(len(trials), "pretrain", values, fidelity=0.25, validation=validation))
    order = sorted(range(num_structures), key=lambda index: -trials[index]["validation"])
    for index in order[: (num_structures + 2) // 3]:
        validation = true_validation(short[index]) + noise * rng.standard_normal()
        trials.append(
            trial(len(trials), "pretrain", short[index], validation=validation, origin="promoted", steps=1500)
        )
    full = [one for one in trials if one["fidelity"] == 1.0]
    top = max(full, key=lambda one: one["validation"], default=None)
    structure = top["values"] if top else draw(rng, "pretrain")
    before = top["validation"] if top else 30.0
    for _ in range(num_finetunes):
        values = draw(rng, "finetune")
        change = true_change(values) + 0.3 * rng.standard_normal()
        validation = before + change
        trials.append(trial(len(trials), "finetune", values, structure=structure, validation=validation, change=change))
    fine = max((one for one in trials if one["stage"] == "finetune"), key=lambda one: one["validation"], default=None)
    best = {
        "structure": structure,
        "finetune": fine["values"] if fine else {},
        "validation": fine["validation"] if fine else None,
        "pretrain_validation": top["validation"] if top else None,
        "change": fine["change"] if fine else None,
    }
    return {
        "format": 2,
        "entry": "mine",
        "league": "aing",
        "seed": 1,
        "sampler": "tpe",
        "preset": "balanced",
        "only": None,
        "budget_minutes": 60.0,
        "used_minutes": 1.2 * len(trials),
        "state": "searching",
        "device": "cpu",
        "metric": "BLEU",
        "metrics": {"pretrain": "BLEU", "finetune": "BLEU"},
        "has_one_task": True,
        "domain": "captions",
        "knobs": KNOBS,
        "trials": trials,
        "plan": [{"minute": 0.4, "text": "12 short structures, then 4 of them at full length"}],
        "next": ["promote trial 3"],
        "best": best if top or fine else None,
        "seed_deviation": 0.83,
        "final": None,
        "commands": ["python train_pretrain.py --entry mine --d_model 256"],
        **others,
    }
