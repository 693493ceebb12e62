"""Which parts of an encoder are not trained: asked for by name, and read back from the weights themselves."""

import hashlib
import re
from typing import Any

from league.errors import UserError

PATTERN = re.compile(r"nothing|embeddings|all|all_but_last_([1-9]\d?)")


def check_freeze(name: str) -> None:
    if not PATTERN.fullmatch(name):
        raise UserError(
            f"--freeze {name!r:.40}: must be nothing, embeddings, all_but_last_N (layers of the encoder), or all."
        )


def effective(name: Any, num_layers: Any) -> Any:
    """Return what a name comes to in an encoder of so many layers; a stranger's record may have anything for both."""
    match = PATTERN.fullmatch(name) if isinstance(name, str) and isinstance(num_layers, int) else None
    return "embeddings" if match and match[1] and int(match[1]) >= num_layers else name


def check_depth(encoder, name: str) -> None:
    """Refuse a name that keeps as many layers as there are, where no rule can know how many that is."""
    num_layers = len(_parts(encoder)[1])
    if effective(name, num_layers) != name:
        raise UserError(f"--freeze {name}: the encoder has {num_layers} layers; embeddings keeps all of them.")


def freeze(encoder, name: str, notes: bool = True) -> None:
    """Take parts of an encoder out of the training, and note how all of it was."""
    embeddings, layers, others = _parts(encoder)
    num_layers = len(layers)
    name = effective(name, num_layers)
    num_kept = {"all": 0, "nothing": num_layers, "embeddings": num_layers}.get(name)
    if num_kept is None:
        num_kept = int(PATTERN.fullmatch(name)[1])
    embeddings.requires_grad_(name == "nothing")
    for layer in layers[: num_layers - num_kept]:
        layer.requires_grad_(False)
    for weight in others:
        weight.requires_grad_(num_kept > 0)
    if notes:
        encoder.started_with = _digests(encoder)


def frozen(encoder) -> str:
    """Return by name what of an encoder was not trained: it takes no gradients, and is as it was before."""
    now, before = _digests(encoder), encoder.started_with
    has_moved = any(
        now[name] != before[name] for name, weight in encoder.named_parameters() if not weight.requires_grad
    )
    embeddings, layers, others = _parts(encoder)
    trained = [{weight.requires_grad for weight in layer.parameters()} for layer in layers]
    num_layers, num_kept = len(trained), sum(flags == {True} for flags in trained)
    as_named = [{False}] * (num_layers - num_kept) + [{True}] * num_kept
    if has_moved or trained != as_named or any(weight.requires_grad != (num_kept > 0) for weight in others):
        return "something else"
    reads = embeddings.weight.requires_grad
    if num_kept == num_layers:
        return "nothing" if reads else "embeddings"
    return "something else" if reads else f"all_but_last_{num_kept}" if num_kept else "all"


def _parts(encoder) -> tuple:
    """Return an encoder's embeddings, its layers, and the weights of its norms and whatever else it has."""
    embeddings = encoder.get_input_embeddings()
    layers = encoder.layers if hasattr(encoder, "layers") else encoder.block  # T5's name for them
    named = {id(weight) for part in (embeddings, *layers) for weight in part.parameters()}
    return embeddings, layers, [weight for weight in encoder.parameters() if id(weight) not in named]


def _digests(module) -> dict[str, str]:
    return {
        name: hashlib.sha256(weight.detach().cpu().contiguous().numpy().tobytes()).hexdigest()
        for name, weight in module.named_parameters()
    }
