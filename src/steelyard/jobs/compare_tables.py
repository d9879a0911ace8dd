"""What is compared: the output of two or more models on the same images, in the same order."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from steelyard.base.errors import InputError
from steelyard.jobs.audit import Columns, Sources
from steelyard.jobs.audit_notes import notes_on
from steelyard.jobs.decisions import Decided, decide
from steelyard.jobs.run_tables import PREDICTIONS, run_tables
from steelyard.tables import Joined, LabelTable, PredictionTable, join
from steelyard.tables.messages import complaint, counted, listed, some_ids


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedSources(Columns):
    """Which models to compare, and the columns of their tables.

    Attributes:
        models: name → path or data frame of the model's output, or folder of a run that `steelyard train` made; the
            first is the base.
        labels: path or data frame of labels; None where the models are runs, which have their own. With labels, all
            columns are as for an audit; without, none may be given.
        protected: column of the protected attribute.
    """

    models: Mapping[str, Any]
    labels: Any = None
    protected: str | None = None

    def __post_init__(self) -> None:
        """Check what can be checked before a table is read.

        Raises:
            InputError: one model only, one file under two names, or options that do not fit the labels.
        """
        if len(self.models) < 2:
            found = f"one, {next(iter(self.models))}" if self.models else "none"
            raise InputError(f"compare: expected two models or more, found {found}; add those to compare with")
        seen: dict[Path, str] = {}
        for name, source in self.models.items():
            if isinstance(source, str | Path):
                first = seen.setdefault(Path(source).resolve(), name)
                if first != name:
                    found = f"the one of {first!r}"
                    raise InputError(f"{name}={source}: expected a file of its own, found {found}; name another")
        self._check_columns()

    def _check_columns(self) -> None:
        if self.labels is not None:
            if self.protected is None:
                raise InputError("--protected: expected the column of the protected attribute, found none; name it")
            return
        options = {
            "--protected": self.protected,
            "--kind": self.kind,
            "--target": self.target,
            "--targets": self.targets,
            "--id": self.id_column,
            "--split-column": self.split_column,
            "--predictions-id": self.predictions_id,
        }
        for option, value in options.items():
            if value is not None:
                expected = "--labels beside it, since runs know their own columns"
                raise InputError(f"{option} {value}: expected {expected}, found none; add --labels, or drop {option}")

    def files(self) -> list[Path]:
        """The files among the tables, for their fingerprints."""
        found = [Path(self.labels)] if isinstance(self.labels, str | Path) else []
        for source in self.models.values():
            if isinstance(source, str | Path):
                path = Path(source)
                found += [path / PREDICTIONS] if path.is_dir() else [path]
        return found

    def read(self) -> list[tuple[LabelTable, PredictionTable]]:
        """Labels and predictions of each model; the labels are one table where `labels` are given.

        Raises:
            InputError: a file, column or row is not what it must be.
        """
        if self.labels is None:
            return [_own_tables(name, source) for name, source in self.models.items()]
        assert self.protected is not None
        read: list[tuple[LabelTable, PredictionTable]] = []
        for source in self.models.values():
            folder = isinstance(source, str | Path) and Path(source).is_dir()
            one = Sources(
                labels=self.labels,
                predictions=Path(source) / PREDICTIONS if folder else source,
                protected=self.protected,
                kind=self.kind,
                target=self.target,
                targets=self.targets,
                id_column=self.id_column,
                split_column=self.split_column,
                predictions_id=self.predictions_id,
            )
            labels = read[0][0] if read else one.read_labels()
            predictions = one.read_predictions(labels)
            assert predictions is not None
            read.append((labels, predictions))
        return read


def _own_tables(name: str, source: Any) -> tuple[LabelTable, PredictionTable]:
    """Labels and predictions that a run wrote."""
    if not isinstance(source, str | Path):
        raise InputError(f"{name}: expected --labels beside predictions, found none; give the labels")
    return run_tables(Path(source), instead=", or give --labels beside files of predictions")


@dataclass(frozen=True, slots=True)
class ModelOutput:
    """What a model said of the compared images.

    Attributes:
        name: of the model.
        joined: the compared rows.
        decided: the decisions on them.
        split: which they are, or `all`.
    """

    name: str
    joined: Joined
    decided: Decided
    split: str


def same_images(sources: ComparedSources, threshold: str) -> tuple[list[ModelOutput], LabelTable | None, list[str]]:
    """Read every model's output, and bring it into the order of the base's images and targets.

    The compared images are those of the test split, else of val, else all. Only they need be common: thresholds are
    fitted on each model's own validation rows, and training rows play no part but for the direction of correlations,
    which the base's give.

    Args:
        sources: the models.
        threshold: rule for decisions.

    Returns:
        The models, all with the base's labels; the base's training labels, or None; notes for readers.

    Raises:
        InputError: the models are of other images, targets, groups or labels, or a table is not what it must be.
    """
    found: list[ModelOutput] = []
    notes: list[str] = []
    train: LabelTable | None = None
    for name, (labels, predictions) in zip(sources.models, sources.read(), strict=True):
        joined = join(labels, _without_train(labels, predictions))
        output = _compared(name, joined, decide(joined, threshold))
        if found:
            output = _in_order_of(found[0], output)
        elif labels.splits is not None:
            train = labels.split("train")
        found.append(output)
        notes += [f"{name}: {note}" for note in notes_on(labels, output.joined, output.decided, output.split)]
        if output.decided.without_threshold:
            whose = ", ".join(output.decided.without_threshold)
            notes.append(f"{name}: no threshold could be fitted for {whose} (no validation positives); 0.5 stands in.")
    return found, train if train is not None and len(train) else None, notes


def _without_train(labels: LabelTable, predictions: PredictionTable) -> PredictionTable:
    """Predictions without those of training images, of which a model trained on a subset has fewer."""
    if labels.splits is None:
        return predictions
    training = np.isin(predictions.ids, labels.ids[labels.splits == "train"])
    if predictions.splits is not None:
        training |= predictions.splits == "train"
    if training.all() or not training.any():
        return predictions
    kept = ~training
    groups = predictions.predicted_groups
    return replace(
        predictions,
        ids=predictions.ids[kept],
        scores=predictions.scores[kept],
        splits=None if predictions.splits is None else predictions.splits[kept],
        predicted_groups=None if groups is None else groups[kept],
    )


def _taken(output: ModelOutput, rows: NDArray[np.integer], split: str) -> ModelOutput:
    joined, decided = output.joined, output.decided
    return ModelOutput(
        output.name,
        replace(joined, labels=joined.labels.take(rows), scores=joined.scores[rows], predicted_groups=None),
        replace(decided, matrix=decided.matrix[rows], codes=None if decided.codes is None else decided.codes[rows]),
        split,
    )


def _compared(name: str, joined: Joined, decided: Decided) -> ModelOutput:
    splits = joined.labels.splits
    split, rows = "all", np.arange(len(joined))
    if splits is not None:
        split = next(part for part in ("test", "val", "train") if (splits == part).any())
        rows = np.flatnonzero(splits == split)
    return _taken(ModelOutput(name, joined, decided, split), rows, split)


def _in_order_of(base: ModelOutput, other: ModelOutput) -> ModelOutput:
    """The other model's rows and columns in the base's order, with the base's labels.

    Raises:
        InputError: other images, targets, groups or labels.
    """
    ours, theirs = base.joined.labels, other.joined.labels

    def refuse(where: str, expected: str, found: str, do: str) -> InputError:
        return InputError(complaint(other.name, where, expected=f"{expected} {base.name!r}", found=found, do=do))

    if set(ours.target_names) != set(theirs.target_names) or ours.kind != theirs.kind:
        strange = sorted(set(ours.target_names) ^ set(theirs.target_names))
        raise refuse("targets", "those of", f"others ({listed(strange)})", "name models of one task")
    if (ours.protected, ours.group_names) != (theirs.protected, theirs.group_names):
        found = f"{theirs.protected}: {listed(theirs.group_names)}"
        raise refuse("groups", f"{ours.protected}: {listed(ours.group_names)}, as in", found, "name models of one task")
    place = {name: row for row, name in enumerate(theirs.ids.tolist())}
    if strange := sorted(set(place) ^ set(ours.ids.tolist())):
        found = f"{counted(len(strange), 'image')} in one of them only ({some_ids(strange)})"
        raise refuse(f"{other.split} images", f"the {base.split} images of", found, "predict both on the same images")
    moved = _taken(other, np.array([place[name] for name in ours.ids.tolist()], dtype=np.int64), other.split)
    columns = [theirs.target_names.index(name) for name in ours.target_names]
    labels = moved.joined.labels
    differ = (labels.groups != ours.groups) | (labels.matrix()[:, columns] != ours.matrix()).any(axis=1)
    if differ.any():
        found = f"others of {counted(int(differ.sum()), 'image')} ({some_ids(ours.ids[differ])})"
        raise refuse("labels", "groups and labels of the images as in", found, "take both from one table")
    joined = replace(moved.joined, labels=ours, scores=moved.joined.scores[:, columns])
    return replace(moved, joined=joined, decided=replace(moved.decided, matrix=moved.decided.matrix[:, columns]))
