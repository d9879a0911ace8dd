"""The last step of `steelyard augment`: every model measured, and the page that shows all."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from steelyard.base.errors import InputError
from steelyard.base.estimate import Estimate
from steelyard.datasets.images import require_cv2
from steelyard.jobs.augment.config import ClassifierSection
from steelyard.jobs.augment.measures import measure_models
from steelyard.jobs.augment.models import ABOUT, predictions_of
from steelyard.jobs.augment.oracle import JUDGE
from steelyard.jobs.augment.pairs import Flip
from steelyard.jobs.augment.planes import mirror_of, pair_rows, plane_records
from steelyard.jobs.augment.steps import DONE, Made
from steelyard.jobs.augment.work import Work, file_name
from steelyard.latent.by_id import ByLatent, mirror_ids, read_columns
from steelyard.latent.pairs import flips_of
from steelyard.latent.pixels import Images
from steelyard.latent.real import present_group
from steelyard.reports.augment.figures import MeasuredModels
from steelyard.reports.augment.published import celeba_attribute_types
from steelyard.reports.augment.report import (
    AugmentReport,
    OracleRow,
    PairGrid,
    PairImages,
    PlaneRow,
    StepRow,
)
from steelyard.reports.provenance import provenance
from steelyard.reports.records import load_json
from steelyard.tables import read_predictions
from steelyard.tables.prediction_table import PredictionTable

RENDERED = ("scenes", "portraits")
_WAYS = {
    "mirror": "the protected score negated, the targets' kept",
    "plain-mirror": "the protected score negated, the targets' not kept",
    "onto-plane": "moved onto the protected plane, where the attribute is undecided; the targets' scores kept",
    "domain-dependent": "the protected score negated, the target's kept under the planes of the two groups",
}
_FILTERS = {
    "none": "",
    "annotators": "The classifiers that labelled G(z) see the change in G(z′), and nothing else change.",
    "oracle": "A network trained as the oracle is, and apart from it, sees the change, and nothing else change.",
}


def make_report(work: Work, folder: Path) -> Made:
    """Measure every model on the real test images, and write the page."""
    measures = _measured(work)
    config, generator = work.config, work.generator
    records = load_json(work.path("pairs") / DONE)["record"]["rates"]
    steps = tuple(_steps(work))
    report = AugmentReport(
        title=f"Pairs of generated images: {', '.join(work.targets[:6])}; {' and '.join(work.protected)}",
        measures=measures,
        synthetic=work.dataset.name in RENDERED,
        celeba=work.dataset.name == "celeba",
        images=_images(work),
        generator=generator.name,
        about={model: ABOUT[model] for model in config.models},
        grids=tuple(_grids(work)),
        planes=tuple(_planes(work)),
        oracle=() if config.oracle is None else tuple(_oracle(work, records)),
        no_oracle="No oracle was asked for." if config.oracle is None else "",
        filter=_FILTERS[config.pairs.filter],
        steps=steps,
        notes=(f"Mirror images: {_WAYS[config.pairs.way]}.", *_sizes(work)),
        provenance=provenance(
            seed=config.seed,
            inputs=[predictions_of(work.path("models"), model) for model in config.models],
            command=work.command,
            duration_s=sum(step.seconds or 0.0 for step in steps),
        ),
    )
    report.write(folder)
    files = tuple(folder / name for name in ("report.json", "figures.csv", "report.html"))
    return Made(files, f"the page: {folder / 'report.html'}", {})


def _images(work: Work) -> str:
    height, width = work.generator.size
    name = "a table of images" if work.dataset.name == "table" else work.dataset.name
    return f"{len(work.labels):,} images of {name}, scaled to {height} by {width} pixels."


def _measured(work: Work) -> MeasuredModels:
    labels = work.real(work.targets).labels()
    tables: dict[str, PredictionTable] = {
        model: read_predictions(predictions_of(work.path("models"), model), labels=labels)
        for model in work.config.models
    }
    types = None
    if work.dataset.name == "celeba":
        known = celeba_attribute_types()
        types = {name: known[name] for name in work.targets if name in known}
    return measure_models(labels, tables, types=types, rounds=work.config.bootstrap, seed=work.config.seed)


def _steps(work: Work) -> Iterator[StepRow]:
    for name in ("classifiers", "oracle", "latents", "labels", "planes", "pairs", "models"):
        record = load_json(work.path(name) / DONE)
        last = f"; in {record['sessions']} sessions, the time is of the last" if record["sessions"] > 1 else ""
        yield StepRow(name=name, what=f"{record['says']}{last}", seconds=float(record["seconds"]))


def _sizes(work: Work) -> Iterator[str]:
    name, present = work.labels.protected, present_group(work.labels)
    if (group := work.labels.group_names[present]) != name:
        yield f"“With {name}” are the images of group {group}."
    pairs = load_json(work.path("pairs") / DONE)["record"]["pairs"]
    train = len(work.labels.split("train"))
    yield f"{train:,} real training images; {pairs:,} latents make pairs, before any filter."
    if (section := work.config.annotators) is not None:
        yield f"Generated images are labelled by {_annotator(section)}, not by classifiers that are compared."
    if work.config.per_attribute:
        yield "A classifier, and pairs, of its own for each attribute."
    else:
        yield "One network with a head for each attribute; the mirror images keep all targets at once."


def _annotator(section: ClassifierSection) -> str:
    if section.run is not None:
        return f"the run {section.run}"
    return f"a network trained on {'the real images' if section.source is None else f'other images ({section.source})'}"


def _grids(work: Work) -> Iterator[PairGrid]:
    rows, shown = pair_rows(work), work.config.pairs.shown
    for name, targets in work.sets.items() if shown else ():
        held = read_columns(work.path("pairs") / file_name(name) / "kept.parquet")
        for flip in flips_of(work.protected):
            first = np.flatnonzero(held.column("+".join(flip)))[:shown]
            yield _grid(work, ByLatent(rows.ids[first], rows.values[first]), targets, flip)


def _grid(work: Work, rows: ByLatent, targets: Sequence[str], flip: Flip) -> PairGrid:
    before = work.synthesis(rows.values)
    after = work.synthesis(mirror_of(work, targets)(rows.values, flip))
    pairs = tuple(
        PairImages(id=str(name), image=png(one), mirrored=png(other))
        for name, one, other in zip(mirror_ids(rows.ids, flip), before, after, strict=True)
    )
    note = "The first pairs" if work.config.pairs.filter == "none" else "The first pairs that the filter leaves"
    return PairGrid(kept=" and ".join(targets), flipped=" and ".join(flip), pairs=pairs, note=f"{note}, not chosen.")


def png(image: Images) -> bytes:
    """An image `[h, w, 3]`, RGB, as a PNG file."""
    cv2 = require_cv2()
    done, data = cv2.imencode(".png", np.ascontiguousarray(image[:, :, ::-1]))
    if not done:
        raise InputError("a pair: expected an image that can be written as PNG, found none; look at the generator")
    return bytes(data)


def _planes(work: Work) -> Iterator[PlaneRow]:
    for row in plane_records(work):
        without, with_it = row["counts"]
        yield PlaneRow(
            name=row["name"],
            role="flipped" if row["name"] in work.protected else "kept",
            counts={"without": int(without), "with": int(with_it)},
            accuracy=Estimate.from_dict(row["accuracy"]),
            majority=float(row["majority"]),
            angles=row["angles"],
        )


def _oracle(work: Work, records: Sequence[Mapping[str, Any]]) -> Iterator[OracleRow]:
    own = load_json(work.path("oracle") / JUDGE)["accuracy"]
    planes = {row["name"]: Estimate.from_dict(row["accuracy"]) for row in plane_records(work)}
    for record in records:
        found = {name: Estimate.from_dict(held) for name, held in record.items() if isinstance(held, dict)}
        flipped = record["flipped"]
        yield OracleRow(
            kept=record["kept"],
            flipped=" and ".join(flipped),
            pairs=int(record["pairs"]),
            flip=found.get("flip"),
            keep=found.get("keep"),
            kept_share=found.get("kept_share"),
            flip_after=found.get("flip_after"),
            keep_after=found.get("keep_after"),
            plane=planes[flipped[0]] if len(flipped) == 1 else None,
            of_flipped=Estimate.from_dict(own[flipped[0]]) if len(flipped) == 1 else None,
            of_kept=Estimate.from_dict(own[record["kept"]]),
        )
