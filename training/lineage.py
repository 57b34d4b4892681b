"""Where trained weights come from, run by run: kept in config.json, told by a preset's card.

A lineage is one of these, as JSON:

    {"run": FOLDER, "steps", "hours", "machine", "trained_on", "recipe", "seed",
     "init": LINEAGE or null for random values, "teacher": LINEAGE or null}
    {"average": [LINEAGE, ...]}
    {"preset": NAME, "steps", "hours", "machine", "trained_on", "recipe", "seed"}
    {"unknown": FILE}
"""

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

from awsrn_keras.network.model import AWSRN
from awsrn_keras.network.presets import presets

FACTS = ("steps", "hours", "machine", "trained_on", "recipe", "seed")
IN_RUN_FOLDER = ("model.keras", "best.weights.h5")


def lineage(name: str | os.PathLike, model: AWSRN) -> dict:
    """The lineage of `model`, which the MODEL `name` gave.

    It is unknown for a file outside a run folder, and where the folder's config.json is older
    than lineages or tells of other weights.
    """
    if str(name) in presets():
        card = presets()[str(name)]
        return {"preset": str(name), **{fact: card[fact] for fact in FACTS}}
    path = Path(name).absolute()
    folder = path.parent if path.name in IN_RUN_FOLDER else path
    try:
        config = json.loads((folder / "config.json").read_text())
        trained, made_from = config["trained"], config["lineage"]
        if trained["weights"] != digest(model):
            raise ValueError
        if "average" in made_from:
            return made_from
        return {"run": folder.name, **{fact: trained[fact] for fact in FACTS}, **made_from}
    except (OSError, ValueError, KeyError, TypeError):
        return {"unknown": path.name}


def digest(model: AWSRN) -> str:
    """SHA-256 of a network's structure and weights."""
    found = hashlib.sha256(repr((model.variant, model.scale, *model.kernel_sizes)).encode())
    for weight in model.get_weights():
        found.update(weight.tobytes())
    return found.hexdigest()


def unknown_origins(node: dict) -> list[str]:
    """Files of unknown origin that a lineage goes back to, teachers included."""
    if "unknown" in node:
        return [node["unknown"]]
    parents = node.get("average") or [node.get("init"), node.get("teacher")]
    return [name for parent in parents if parent for name in unknown_origins(parent)]


def trainings(node: dict) -> list[dict]:
    """Runs and presets that the weights themselves went through, the first one first."""
    found = []
    for each in _trainings(node):
        if each not in found:  # a run that several averaged networks began with
            found.append(each)
    return found


def _trainings(node: dict) -> Iterator[dict]:
    for parent in node.get("average") or [node.get("init")]:
        if parent:
            yield from _trainings(parent)
    if "average" not in node:
        yield node
