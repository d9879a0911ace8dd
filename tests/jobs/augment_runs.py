"""Short runs of `steelyard augment` on the world with planted planes, for the tests of its steps."""

import json

from augment_world import Faces, Linear, options

from steelyard.jobs.augment.config import read_augment
from steelyard.jobs.augment.run import STEPS, run_augment

JUDGE = {
    "model": {"name": "compact", "width": 6},
    "training": {"epochs": 5, "rate": 1e-2, "schedule": "cosine", "monitor": "last", "precision": "32-true"},
}
TINY = {"training": {"epochs": 3}, "latents": {"fit": 120, "validate": 80, "pairs": 40}, "pairs": {"min_class": 3}}
NAMES = [step.name for step in STEPS]


def augment(out, *, dataset=None, generator=None, only=None, anew_from=None, told=None, **changes):
    config = read_augment(options(out, **changes))
    return run_augment(
        config,
        dataset=dataset or Faces(),
        generator=generator or Linear(),
        only=only,
        anew_from=anew_from,
        progress=told or (lambda stage: None),
    )


def record(out, step):
    return json.loads((out / step / "step.json").read_text())


def begun(said):
    """Steps that were done, not found standing."""
    heads = [line.partition(": ") for line in said]
    return [name for name in NAMES if any(head == name and not rest.startswith("stands") for head, _, rest in heads)]


def small():
    return Faces(sizes=(96, 64, 64))


def table_of(out):
    return (out / "report" / "figures.csv").read_bytes()
