"""Made-up figures and pictures for the page of augmentation: no model was trained for any of them, nobody is shown."""

from dataclasses import replace

import numpy as np
from report_samples import estimate
from story_samples import png

from steelyard.reports.augment.figures import ALL, MEASURES, MeasuredModels, MeasuredRow, ScoreHistogram
from steelyard.reports.augment.report import AugmentReport, OracleRow, PairGrid, PairImages, PlaneRow, StepRow

ATTRIBUTES = ("Blond_Hair", "Young", "Arched_Eyebrows", "Gray_Hair", "Eyeglasses")
TYPES = {
    "Blond_Hair": "gender-independent",
    "Young": "gender-dependent",
    "Arched_Eyebrows": "gender-dependent",
    "Gray_Hair": "gender-independent",
    "Eyeglasses": "gender-independent",
}
MALE, OTHER = "Male", "not Male"
MODELS = ("plain", "real + pairs", "pairs only")


_MEANS = {  # plain, augmented, pairs only, reweighed
    "ap": (0.81, 0.80, 0.74, 0.79),
    "deo": (0.21, 0.15, 0.06, 0.11),
    "ba": (0.023, 0.014, -0.004, 0.009),
    "kl": (1.31, 0.92, 0.41, 0.7),
}
_HALF = {"ap": 0.012, "deo": 0.03, "ba": 0.005, "kl": 0.11}
_SHORT = {"deo_absolute": "deo", "ba_absolute": "ba"}


def row(name, models, *, shift=0.0, attributes=None, change=1.0, **fields) -> MeasuredRow:
    """Figures of one attribute or mean; `change` stretches what the other models change (-1 turns it round)."""
    figures, differences = {}, {}
    for measure, how in MEASURES.items():
        key = _SHORT.get(measure, measure)
        half, values = _HALF[key], _MEANS[key]
        own = [values[0] + change * (value - values[0]) for value in values[: len(models)]]
        own = [value * (1 + shift) if measure != "ap" else value for value in own]
        own = [abs(value) for value in own] if measure in _SHORT else own
        figures[measure] = {m: estimate(how.catalog, v, half) for m, v in zip(models, own, strict=True)}
        gaps = zip(models[1:], own[1:], strict=True)
        differences[measure] = {m: estimate(how.catalog, v - own[0], half / 3) for m, v in gaps}
    several = attributes is not None
    return MeasuredRow(
        name=name,
        attributes=tuple(attributes) if several else (name,),
        figures=figures,
        differences=differences,
        over={measure: tuple(attributes) for measure in MEASURES} if several else {},
        **fields,
    )


def without(found: MeasuredRow, *measures, reason) -> MeasuredRow:
    """The row with some measures undefined."""
    kept = {name: {m: v for m, v in getattr(found, name).items() if m not in measures} for name in _PARTS}
    return replace(found, **kept, undefined={**found.undefined, **dict.fromkeys(measures, reason)})


_PARTS = ("figures", "differences", "over")


def histograms(attributes, models, groups=(MALE, OTHER)):
    """Bells whose middles lie apart by group, less so model by model."""
    bins = (np.arange(50) + 0.5) / 50
    found = []
    for attribute in attributes:
        for m, model in enumerate(models):
            counts = {}
            for g, group in enumerate(groups):
                middles = [0.25 + 0.15 * g / (1 + m), 0.75 - 0.15 * g / (1 + m)]
                pair = [(200 * np.exp(-(((bins - middle) / 0.15) ** 2))).astype(int) for middle in middles]
                counts[group] = tuple(tuple(part.tolist()) for part in pair)
            found.append(ScoreHistogram(attribute=attribute, model=model, counts=counts))
    return tuple(found)


def measured(models=MODELS, attributes=ATTRIBUTES, *, types=TYPES, change=1.0, **fields) -> MeasuredModels:
    rows = [
        row(
            name,
            models,
            shift=0.1 * i - 0.2,
            change=change,
            positives={MALE: 150 + 7 * i, OTHER: 240 - 9 * i},
            type=types.get(name, ""),
        )
        for i, name in enumerate(attributes)
    ]
    means = [row(ALL, models, attributes=attributes, change=change)]
    for kind in dict.fromkeys(types[name] for name in attributes if name in types):
        means.append(row(kind, models, attributes=[n for n in attributes if types.get(n) == kind], change=change))
    given = {
        "models": tuple(models),
        "rows": tuple(rows),
        "means": tuple(means),
        "histograms": histograms(attributes, models),
        "protected": "Male",
        "groups": (MALE, OTHER),
        "images": {MALE: 407, OTHER: 593},
        "gap": f"true positive rate of {MALE} less that of {OTHER} (the larger group)",
        "rounds": 500,
        "level": 0.95,
        "threshold": "a threshold per label fitted on 1,000 validation images (as many positives predicted as true)",
        "direction": "the labels of 1,000 training images",
    }
    return MeasuredModels(**(given | fields))


def picture(seed, *, flipped):
    """Rings on a ground: 32 pixels, not of anybody."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:32, :32] - 15.5
    ring = (np.hypot(x, y) // 4).astype(int) % 2
    colours = rng.integers(40, 255, (2, 3))
    return png(colours[1 - ring if flipped else ring])


def grid(kept, count=12):
    pairs = tuple(
        PairImages(
            id=f"g{i:07d}",
            image=picture(i, flipped=False),
            mirrored=picture(i, flipped=True),
            caption="flip seen" if i % 3 else "",
        )
        for i in range(count)
    )
    return PairGrid(kept=kept, flipped="Male", pairs=pairs, note="the first 12 latents, not chosen by eye")


def planes(attributes=ATTRIBUTES):
    found = [
        PlaneRow(
            name=name,
            role="kept",
            counts={"with": 2100 + 10 * i, "without": 7900 - 10 * i},
            accuracy=estimate("accuracy", 0.91 - 0.02 * i, 0.008),
            majority=0.79,
            angles={"Male": 86.0 - 9 * i},
        )
        for i, name in enumerate(attributes)
    ]
    flipped = PlaneRow(
        name="Male",
        role="flipped",
        counts={MALE: 4200, OTHER: 5800},
        accuracy=estimate("accuracy", 0.95),
        majority=0.58,
    )
    return (*found, flipped)


def oracle(attributes=ATTRIBUTES):
    return tuple(
        OracleRow(
            kept=name,
            flipped="Male",
            pairs=2000,
            flip=estimate("flip", 0.91 - 0.01 * i, 0.012),
            keep=estimate("keep", 0.88 + 0.01 * i, 0.014),
            kept_share=estimate("kept", 0.78 - 0.01 * i, 0.02),
            flip_after=estimate("flip", 0.97, 0.008),
            keep_after=estimate("keep", 0.95, 0.01),
            plane=estimate("accuracy", 0.95),
            of_flipped=estimate("accuracy", 0.985),
            of_kept=estimate("accuracy", 0.975),
        )
        for i, name in enumerate(attributes)
    )


def report(**fields) -> AugmentReport:
    given = {
        "title": "Pairs for five attributes: a made-up run",
        "measures": measured(),
        "celeba": True,
        "images": "3,000 made-up rows, for a test of this page.",
        "generator": "made-up, 512 dimensions, 32 px",
        "about": {"plain": "real images", "real + pairs": "real images and 10,000 pairs", "pairs only": "pairs"},
        "grids": tuple(grid(name) for name in ATTRIBUTES[:2]),
        "planes": planes(),
        "oracle": oracle(),
        "filter": "the oracle sees both as they should be",
        "steps": (
            StepRow(name="classifiers", what="trained on real images", seconds=312.4),
            StepRow(name="latents", what="10,000 sampled"),
        ),
        "notes": ("Every figure on this page is made up.",),
        "provenance": {"versions": {"steelyard": "0.1.0"}, "seed": 0, "command": "steelyard augment made-up.yaml"},
    }
    return AugmentReport(**(given | fields))


def bare(**fields) -> AugmentReport:
    """Figures only, of a made-up world."""
    few = measured(("plain", "augmented"), types={}, histograms=())
    return AugmentReport(title="Figures only", measures=few, synthetic=True, **fields)
