"""What `steelyard train` is told: one YAML file, read into typed options, every word of it checked before any work."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

from steelyard.base.errors import InputError
from steelyard.jobs.audit_options import AuditOptions
from steelyard.jobs.data_section import DataSection
from steelyard.jobs.typed_options import Option, Origin, known_names, make_options, options_of, plain, read_yaml
from steelyard.mitigation.objectives import OBJECTIVES
from steelyard.models.options import ModelOptions
from steelyard.tables.messages import closest, complaint, quoted
from steelyard.training.options import TrainingOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditSection(AuditOptions):
    """How the best checkpoint is audited: the options of `steelyard audit`.

    Attributes:
        split: the split that is audited: `val` or `test`.
    """

    split: Literal["val", "test"] = "test"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingConfig:
    """A training run.

    Attributes:
        data: which images.
        model: which network.
        objective: the options of one way to train; their class says which.
        objective_name: its name among the objectives.
        training: how the engine runs.
        out: the run's folder.
        seed: of everything random.
        start_from: another run, whose best checkpoint is the start.
        audit: how the best checkpoint is audited; None leaves it out.
    """

    data: DataSection
    model: ModelOptions
    objective: Any
    objective_name: str
    training: TrainingOptions
    out: str
    seed: int = 0
    start_from: str | None = None
    audit: AuditSection | None = None

    def to_dict(self) -> dict[str, Any]:
        """The whole of it, as the YAML file has it."""
        record = {
            "seed": self.seed,
            "data": asdict(self.data),
            "model": asdict(self.model),
            "objective": {"name": self.objective_name, **asdict(self.objective)},
            "training": asdict(self.training),
            "start_from": self.start_from,
            "audit": None if self.audit is None else asdict(self.audit),
            "out": self.out,
        }
        return {key: plain(value) for key, value in record.items()}

    def to_yaml(self) -> str:
        """The whole of it, as a file that `steelyard train` reads."""
        return str(yaml.safe_dump(self.to_dict(), sort_keys=False, allow_unicode=True, width=120))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plain:
    out: str
    seed: int = 0
    start_from: str | None = None


_SECTIONS = ("data", "model", "objective", "training", "audit")
_TOP = ("seed", "data", "model", "objective", "training", "start_from", "audit", "out")


def read_config(source: str | Path | Mapping[str, Any], overrides: Mapping[str, Any] | None = None) -> TrainingConfig:
    """Read a training configuration.

    Args:
        source: a YAML file, or what it would hold.
        overrides: dotted name (`objective.weight`) → value, as typed on a command line; they win.

    Raises:
        InputError: an option that there is not, or a value of another type or range; one line says which.
    """
    overrides = overrides or {}
    given = dict(source) if isinstance(source, Mapping) else read_yaml(source)
    origin = Origin("" if isinstance(source, Mapping) else str(source), tuple(overrides))
    known_names(given, _TOP, "", origin)
    _override(given, overrides, origin)
    rest = {name: given[name] for name in ("out", "seed", "start_from") if name in given}
    top = make_options(_Plain, rest, "", origin)
    if top.seed < 0:
        raise origin.wrong("seed", expected="0 or more", found=str(top.seed), do="raise it")
    name, objective = _objective(given.get("objective", {"name": "task"}), origin)
    audit = given.get("audit", {})
    if isinstance(audit, Mapping):
        audit = {"seed": top.seed, **audit}
    training = given.get("training", {})
    if isinstance(training, Mapping):
        training = {"seed": top.seed, **training}
    return TrainingConfig(
        data=make_options(DataSection, given.get("data", {}), "data", origin),
        model=make_options(ModelOptions, given.get("model", {}), "model", origin),
        objective=objective,
        objective_name=name,
        training=make_options(TrainingOptions, training, "training", origin),
        audit=None if audit is None else make_options(AuditSection, audit, "audit", origin),
        out=top.out,
        seed=top.seed,
        start_from=top.start_from,
    )


def _override(given: dict[str, Any], overrides: Mapping[str, Any], origin: Origin) -> None:
    """Put what was typed in the place of what the file says."""
    for dotted, value in overrides.items():
        *path, name = dotted.split(".")
        into, so_far = given, ""
        for part in path:
            so_far = f"{so_far}.{part}" if so_far else part
            held = into.get(part)
            if held is not None and not isinstance(held, Mapping):
                raise origin.wrong(so_far, expected="a mapping of options", found=quoted(held), do="correct it")
            into[part] = dict(held or {})
            into = into[part]
        into[name] = None if not path and value == "null" else value


def _objective(given: Any, origin: Origin) -> tuple[str, Any]:
    """Name and options of the objective; its name decides the options' class."""
    if not isinstance(given, Mapping):
        raise origin.wrong("objective", expected="a mapping with a name", found=quoted(given), do="write `name: task`")
    name = given.get("name", "task")
    if name not in OBJECTIVES:
        found = f"{quoted(name)}{closest(str(name), tuple(OBJECTIVES))}"
        raise origin.wrong("objective.name", expected=f"one of {', '.join(OBJECTIVES)}", found=found, do="choose one")
    rest = {key: value for key, value in given.items() if key != "name"}
    return name, make_options(OBJECTIVES[name].options, rest, "objective", origin)


FREE_TO_CHANGE = frozenset({"data.workers", "data.cache", "training.accelerator", "out"})
"""What a run may change when it goes on: it says where the work is done, not what is computed.

The number of processes does not belong to it: each has random numbers of its own, and its share of a batch.
"""


def require_same(kept: TrainingConfig, now: TrainingConfig, run: Path) -> None:
    """Refuse to go on with another configuration; how the result is audited may change.

    Raises:
        InputError: names the first option that differs.
    """
    before, after = _flat(kept.to_dict()), _flat(now.to_dict())
    for name in sorted({*before, *after} - FREE_TO_CHANGE):
        if before.get(name) != after.get(name) and name.partition(".")[0] != "audit":
            expected, found = f"{before.get(name)!r}, as {run} has it", f"{after.get(name)!r}"
            do = "drop the change, or train anew with another --out"
            raise InputError(complaint(f"--{name}", "", expected=expected, found=found, do=do))


def _flat(record: Mapping[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in record.items():
        inner = isinstance(value, Mapping) and key in _SECTIONS
        flat.update({f"{key}.{name}": held for name, held in value.items()} if inner else {key: value})
    return flat


def option_list() -> tuple[Option, ...]:
    """Every option of every section; those of all objectives under `objective`, each name once."""
    rows = [Option("objective.name", f"one of {', '.join(OBJECTIVES)}", "task", "how the network is trained")]
    rows += [option for row in OBJECTIVES.values() for option in options_of(row.options, "objective")]
    first = {row.name: row for row in reversed(rows)}
    sections = (("data", DataSection), ("model", ModelOptions), ("training", TrainingOptions), ("audit", AuditSection))
    return (*reversed(first.values()), *(option for name, cls in sections for option in options_of(cls, name)))


def require_source(file: str | None) -> str:
    """The configuration's file.

    Raises:
        InputError: none was given.
    """
    if file is None:
        raise InputError("steelyard train: expected CONFIG.yaml or --resume RUN, found neither; name one")
    return file
