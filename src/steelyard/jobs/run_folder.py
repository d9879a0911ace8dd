"""A run's folder: what lies in it, who may write to it, and the configuration that it was made with.

`config.yaml`: the whole configuration. `provenance.json`: versions, seed, command, date, duration, task, notes.
`subset.parquet`: the training images that count, where the run balanced them itself. `checkpoints/`: the best and the
last. `metrics.jsonl` and `tensorboard/`: losses and quality as they came. `predictions.parquet` and `labels.parquet`:
of the best checkpoint, all splits; `decisions.parquet` and `potentials.npz` beside them where targets and group are
scored together. `audit/`: report.html, report.json, per_label.csv.
"""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from steelyard.base.errors import InputError
from steelyard.jobs.output import check_folder
from steelyard.jobs.run_tables import PROVENANCE as PROVENANCE
from steelyard.jobs.run_tables import run_tables
from steelyard.jobs.training_config import TrainingConfig, read_config, require_same
from steelyard.latent.generators import RUN_WEIGHTS
from steelyard.reports.provenance import provenance
from steelyard.reports.records import dump_json, load_json, write_text
from steelyard.tables import Joined, LabelTable, join

if TYPE_CHECKING:
    from steelyard.training.objective import Task

CONFIG, SUBSET, AUDIT = "config.yaml", "subset.parquet", "audit"
_PACKAGES = ("torch", "torchvision", "lightning", "safetensors")
_BEGUN = (CONFIG, PROVENANCE, SUBSET, RUN_WEIGHTS, "metrics.jsonl", "tensorboard", "samples")
"""What a run, of a classifier or a generator, may have written before its first checkpoint."""


def kept_config(run: Path) -> TrainingConfig:
    """The configuration of a run.

    Raises:
        InputError: this is no run's folder, or its configuration is not what it must be.
    """
    path = run / CONFIG
    if not path.is_file():
        found = "no such folder" if not run.is_dir() else f"none with a {CONFIG}"
        raise InputError(f"{run}: expected the folder of a run, found {found}; name what steelyard train wrote")
    return read_config(path)


def config_to_resume(run: Path, file: str | None, typed: Mapping[str, Any]) -> TrainingConfig:
    """The configuration that a run goes on with: its own, with changes only of where the work is done.

    Args:
        run: its folder.
        file: a configuration that was named beside it, or None.
        typed: options that were named beside it.

    Raises:
        InputError: this is no run's folder, or an option that decides the result differs.
    """
    kept = kept_config(run)
    now = read_config(run / CONFIG if file is None else file, {**typed, "out": str(run)})
    require_same(kept, now, run)
    return now


def require_no_run(folder: Path) -> None:
    """Refuse a folder that holds a run.

    Raises:
        InputError: it does.
    """
    if (folder / CONFIG).exists() or (folder / "checkpoints").exists():
        raise InputError(
            f"--out {folder}: expected a folder without a run, found a run; go on with it by --resume {folder}, or "
            "name another --out"
        )


def with_kept_subset(config: TrainingConfig, run: Path) -> TrainingConfig:
    """The configuration with the training images that a run took when it began, where it balanced them itself."""
    if not (run / SUBSET).exists():
        return config
    return replace(config, data=replace(config.data, subset=str(run / SUBSET), alpha=None))


@contextmanager
def new_run(folder: Path, text: str) -> Iterator[None]:
    """A run's folder, begun; what was written goes again where the work fails before the first checkpoint.

    What lay in the folder before stays, whatever its name.

    Args:
        folder: of the run.
        text: its configuration, as YAML.

    Raises:
        InputError: it holds a run, or cannot be made or written to.
    """
    require_no_run(folder)
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    own = [folder / name for name in _BEGUN if not (folder / name).exists()]
    check_folder(folder)
    try:
        write_text(folder / CONFIG, text)
        yield
    except Exception:
        if not (folder / "checkpoints" / "index.json").exists():
            _leave(own, [folder / "checkpoints", *made])
        raise


def write_provenance(
    folder: Path,
    config: TrainingConfig,
    task: "Task",
    labels: LabelTable,
    *,
    command: str | Sequence[str] = (),
    duration_s: float = 0.0,
    notes: Sequence[str] = (),
) -> None:
    """Where the run comes from, what it learned, and what a reader must know of it.

    Raises:
        InputError: the disk is full or not writable.
    """
    record = provenance(seed=config.seed, inputs=[folder / CONFIG], command=command, duration_s=duration_s)
    record["versions"] |= {package: version(package) for package in _PACKAGES}
    record["task"] = {
        "kind": task.kind,
        "target_names": list(task.target_names),
        "group_names": list(task.group_names),
        "positives": task.positives.tolist(),
        "group_sizes": task.group_sizes.tolist(),
        "images": task.images,
    }
    record["labels"] = {name: getattr(labels, name) for name in ("protected", "target_column", "id_column")}
    record["notes"] = list(notes)
    write_text(folder / PROVENANCE, dump_json(record))


def kept_task(run: Path) -> "Task":
    """What a run learned.

    Raises:
        InputError: its provenance is not there, or not what it must be.
    """
    from torch import tensor

    from steelyard.training.objective import Task

    path = run / PROVENANCE
    record = load_json(path)
    try:
        task = record["task"]
        return Task(
            kind=task["kind"],
            target_names=tuple(task["target_names"]),
            group_names=tuple(task["group_names"]),
            positives=tensor(task["positives"]),
            group_sizes=tensor(task["group_sizes"]),
            images=task["images"],
        )
    except (KeyError, TypeError, ValueError):
        expected = "what the run learned under 'task'"
        raise InputError(f"{path}: expected {expected}, found something else; restore the file") from None


def kept_tables(run: Path) -> Joined:
    """Labels and predictions that a run wrote.

    Raises:
        InputError: they are not there, or not what they must be.
    """
    kept_config(run)
    return join(*run_tables(run))


def _leave(own: Sequence[Path], made: Sequence[Path]) -> None:
    """Remove what a run began, and folders that are empty then."""
    for path in own:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    for path in made:
        if path.is_dir() and not any(path.iterdir()):
            path.rmdir()
