"""The published protocol of latent-space augmentation as a preset: what a file does not say is as published.

Ramaswamy, Kim, Russakovsky, *Fair Attribute Classification through Latent Space De-biasing*, CVPR 2021,
https://arxiv.org/abs/2012.01469, sections 3 and 4.
"""

from collections.abc import Mapping
from typing import Any

from steelyard.jobs.typed_options import Origin
from steelyard.tables.messages import closest, quoted

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "ramaswamy2021": {
        # Cut around the face, scaled to the generator's size and then to 256, so that real images and generated ones
        # come alike.
        "data": {"region": "face", "resize": 256, "crop": 224, "flip": True, "batch_size": 32},
        "model": {"name": "resnet50", "weights": "imagenet", "hidden": 2048, "dropout": 0.5},
        "task": {"weighting": "none"},
        "training": {"epochs": 20, "rate": 1e-4, "optimiser": "adam", "monitor": "quality"},
        "latents": {"fit": 10_000, "validate": 5_000, "pairs": 160_000},
        "pairs": {"way": "mirror", "filter": "none"},
        "per_attribute": True,
        "bootstrap": 500,
    }
}
"""Name → what a configuration begins from."""


def with_preset(given: Mapping[str, Any], origin: Origin) -> dict[str, Any]:
    """A configuration on top of the preset that it names; what it says itself wins, option by option.

    Raises:
        InputError: there is no such preset.
    """
    name = given.get("preset")
    if name is None:
        return dict(given)
    if name not in PRESETS:
        found = f"{quoted(name)}{closest(str(name), tuple(PRESETS))}"
        raise origin.wrong("preset", expected=f"one of {', '.join(PRESETS)}", found=found, do="choose one or drop it")
    made = dict(given)
    for key, value in PRESETS[name].items():
        own = given.get(key)
        if isinstance(value, Mapping) and (own is None or isinstance(own, Mapping)):
            made[key] = {**value, **(own or {})}
        elif key not in given:
            made[key] = value
    return made
