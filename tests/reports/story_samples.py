"""Made-up figures for the demo's page: no model was trained for any of them."""

import struct
import zlib
from dataclasses import replace

import numpy as np
from report_samples import estimate

from steelyard.reports import CurvePoint, Interval
from steelyard.reports.changes import LabelChange
from steelyard.reports.charts import Mark, RowChart, axis_over
from steelyard.reports.gallery import Gallery, MaskedPair
from steelyard.reports.story import ModelRow, NoisePoint, Story

_ROWS = {
    "plain": ("As the images come", 22.1, 12.4, 0.312, 0.742),
    "alpha1": ("Balanced labels", 21.4, 11.8, 0.287, 0.718),
    "blackout-segment": ("People blacked out", 14.2, 9.1, 0.201, 0.693),
    "noise": ("Noise on the embedding", 15.6, 8.0, 0.19, 0.731),
    "adversarial-conv5": ("Adversary at conv5", 5.1, 2.6, 0.074, 0.729),
    "adversarial-image": ("Adversary at the image", 11.3, 6.2, 0.148, 0.712),
    "alpha1-adversarial-conv5": ("Balanced labels, adversary at conv5", 4.3, 1.9, 0.061, 0.701),
}


def model(name, title, points, decisions, bits, f1, **fields):
    figures = {
        "amplification": estimate("amplification", points / 100, 0.016, unit="difference", of="scores"),
        "amplification_decisions": estimate("amplification_decisions", decisions / 100, 0.015, unit="difference"),
        "conditional_leakage": estimate("conditional_leakage", bits, 0.021, unit="bits"),
        "model_leakage": estimate("model_leakage", 0.53 + points / 100, 0.011, of="scores"),
        "dataset_leakage": estimate("dataset_leakage", 0.612, 0.012, of="labels"),
        "dataset_leakage_at_f1": estimate("dataset_leakage_at_f1", 0.53, 0.011, of="labels"),
        "f1_macro": estimate("f1_macro", f1, 0.006),
    }
    return ModelRow(name=name, title=title, what=f"made up: {title.lower()}", estimates=figures, seconds=41.0, **fields)


def png(pixels):
    """A PNG file of `[h, w, 3]` bytes."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    h, w, _ = pixels.shape
    lines = b"".join(b"\0" + row.tobytes() for row in pixels.astype(np.uint8))
    head = struct.pack(">IIBBBBB", w, h, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")


def gallery(groups=("A", "B"), count=6):
    rng = np.random.default_rng(0)
    rows = []
    for group in groups:
        pairs = []
        for i in range(count):
            image = rng.integers(90, 256, (32, 32, 3)).repeat(2, 0).repeat(2, 1)
            masked = image.copy()
            masked[16:60, 20:44] = 0
            pairs.append(MaskedPair(png(image), png(masked), f"a made-up scene with a lamp and a chair, {i}"))
        rows.append((group, tuple(pairs)))
    return Gallery(tuple(rows), what="the mask was learned")


def noise():
    points = []
    for scale in (0.25, 0.5, 1.0, 1.5, 2.0, 4.0):
        f1, points_ = 0.742 - 0.011 * scale**1.6, 22.1 * np.exp(-0.35 * scale)
        found = estimate("amplification", points_ / 100, 0.016, unit="difference")
        points.append(NoisePoint(scale=scale, f1_macro=estimate("f1_macro", f1), amplification=found))
    floor = "its F1 of 0.212 lies below the floor of the channel"
    lost = NoisePoint(scale=8.0, f1_macro=estimate("f1_macro", 0.212), amplification=None, reason=floor)
    return (*points, lost)


def story(**fields):
    """The picture of the paper."""
    models = [model(name, *row) for name, row in _ROWS.items()]
    trained = {"plain": 0.617, "alpha1": 0.502, "alpha1-adversarial-conv5": 0.502}
    models = [
        replace(m, label_leakage_of_training=estimate("dataset_leakage", trained[m.name], 0.011))
        if m.name in trained
        else m
        for m in models
    ]
    given = {
        "models": tuple(models),
        "noise": noise(),
        "gallery": gallery(),
        "protected": "group",
        "groups": ("A", "B"),
        "synthetic": True,
        "data": "made-up figures for a test, no model was trained for them",
        "counts": {"train": {"A": 2000, "B": 2000}, "test": {"A": 1000, "B": 1000}},
        "provenance": {"versions": {"steelyard": "0.1.0"}, "seed": 0, "command": "a test", "duration_s": 1.0},
        **fields,
    }
    return Story(**given)


def changed(of, name, **measures):
    """The story with other figures of one model: `measure=(value, half)`, or `measure="why it is undefined"`."""
    models = []
    for row in of.models:
        if row.name == name:
            estimates, omitted = dict(row.estimates), dict(row.omitted)
            for measure, given in measures.items():
                if isinstance(given, str):
                    estimates.pop(measure)
                    omitted[measure] = given
                else:
                    estimates[measure] = estimate(measure, *given)
            row = replace(row, estimates=estimates, omitted=omitted)
        models.append(row)
    return replace(of, models=tuple(models))


def trained_on(of, name, value):
    """The story with another leakage of a model's training labels."""
    leakage = estimate("dataset_leakage", value, 0.011)
    return replace(
        of,
        models=tuple(replace(m, label_leakage_of_training=leakage) if m.name == name else m for m in of.models),
    )


def imsitu_chapter():
    """What the demo's standing chapter is made of, in the likeness of `jobs.demo`."""

    class Row:
        def __init__(self, title, value, published, remark=""):
            self.title, self.published, self.remark = title, published, remark
            self.leakage = estimate("dataset_leakage", value)
            self.images, self.counts = 24_301, {"man": 14_199, "woman": 10_102}

    rows = [Row("as they are", 0.683, "68.26 ± 0.31"), Row("balanced, α = 1", 0.501, "53.99 ± 0.69", "A remark.")]
    marks = tuple(
        (Mark(r.title, r.leakage.value, r.leakage.low, r.leakage.high, "68.3 %", "67 to 69 %"),) for r in rows
    )
    chart = RowChart(marks, axis_over([0.49, 0.7]), reference=0.5, reference_text="chance 50.0 %")
    at_f1 = CurvePoint(
        f1=0.401, dataset_leakage=0.56, low=0.55, high=0.57, p=0.6, channel="replace", scheme="made up", n=6304
    )
    return {"rows": rows, "chart": chart, "at_f1": at_f1, "published_at_f1": 56.46, "groups": ("man", "woman")}


def changes(n=12):
    rng = np.random.default_rng(3)
    found = []
    for i in range(n):
        before = float(rng.uniform(0.3, 0.9))
        shift = float(rng.normal(-0.02, 0.04))
        after = before + shift
        found.append(
            LabelChange(
                f"label {i}" if i else "a label with an uncommonly long name that does not fit",
                Interval(before, before - 0.03, before + 0.03),
                Interval(after, after - 0.03, after + 0.03),
                None if i % 5 == 4 else Interval(shift, shift - 0.02, shift + 0.02),
            )
        )
    return found
