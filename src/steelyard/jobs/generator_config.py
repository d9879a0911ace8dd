"""What `steelyard generator train` is told: one YAML file, read into typed options and checked before any work."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal

import yaml

from steelyard.base.errors import InputError
from steelyard.datasets.catalog import DataOptions
from steelyard.jobs.typed_options import Option, Origin, known_names, make_options, options_of, plain, read_yaml
from steelyard.latent.progressive_options import ProgressiveOptions
from steelyard.tables.messages import complaint, quoted


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneratorData:
    """Which images a generator learns to make.

    Attributes:
        source: folder of the data set, or a table; for rendered worlds a YAML file of their dials, or `default`.
        name: of the data set; null recognises it by its files.
        protected: the protected attribute, where the data set must be told; nothing is learned of it.
        id_column: column of the ids.
        split_column: column of the splits.
        path_column: column of the images' files.
        images: folder of the images.
        split: the images of this split; all where the data set has no splits.
        region: the part of each image to take, where the data set knows one: `face` of CelebA; null for the whole.
        limit: so many images at most, the first ones; null for all.
        on_bad_image: `raise` stops at an image that cannot be read, `skip` leaves it out.
    """

    source: str
    name: str | None = None
    protected: str | None = None
    id_column: str | None = None
    split_column: str | None = None
    path_column: str | None = None
    images: str | None = None
    split: Literal["train", "val", "test"] = "train"
    region: str | None = None
    limit: int | None = None
    on_bad_image: Literal["raise", "skip"] = "raise"

    def __post_init__(self) -> None:
        """Check what no other part checks.

        Raises:
            InputError: names the option, what was expected and found.
        """
        if self.limit is not None and self.limit < 2:
            raise InputError(f"data.limit: expected 2 images or more, found {self.limit}; raise it")

    def options(self) -> DataOptions:
        """What the data set's reader is told."""
        known = {field.name for field in fields(DataOptions)}
        return DataOptions(**{name: value for name, value in asdict(self).items() if name in known})


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneratorConfig:
    """A generator's training.

    Attributes:
        data: which images.
        training: shape, schedule, losses, where the work is done.
        out: the run's folder.
        seed: of everything random.
    """

    data: GeneratorData
    training: ProgressiveOptions
    out: str
    seed: int = 0

    def to_dict(self) -> dict[str, Any]:
        """The whole of it, as the YAML file has it."""
        parts = {"seed": self.seed, "data": asdict(self.data), "training": asdict(self.training), "out": self.out}
        return {key: plain(value) for key, value in parts.items()}

    def to_yaml(self) -> str:
        """The whole of it, as a file that `steelyard generator train` reads."""
        return str(yaml.safe_dump(self.to_dict(), sort_keys=False, allow_unicode=True, width=120))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plain:
    out: str
    seed: int = 0


_SECTIONS = {"data": GeneratorData, "training": ProgressiveOptions}
_FREE = {"grid", "grid_steps", "log_steps", "checkpoint_minutes", "checkpoint_steps", "accelerator"}
FREE_TO_CHANGE = frozenset({"out", *(f"training.{name}" for name in _FREE)})
"""What a run may change when it goes on: it says where the work is done and what is shown, not what is computed."""


def read_generator_config(
    source: str | Path | Mapping[str, Any], overrides: Mapping[str, Any] | None = None
) -> GeneratorConfig:
    """Read the configuration of a generator.

    Args:
        source: a YAML file, or what it would hold.
        overrides: dotted name (`training.rate`) → value, as typed on a command line; they win.

    Raises:
        InputError: an option that there is not, or a value of another type or range; one line says which.
    """
    overrides = overrides or {}
    given = dict(source) if isinstance(source, Mapping) else read_yaml(source)
    origin = Origin("" if isinstance(source, Mapping) else str(source), tuple(overrides))
    known_names(given, ("seed", *_SECTIONS, "out"), "", origin)
    for dotted, value in overrides.items():
        section, _, name = dotted.rpartition(".")
        held = given.setdefault(section, {}) if section else given
        if not isinstance(held, Mapping):
            raise origin.wrong(section, expected="a mapping of options", found=quoted(held), do="correct it")
        if section:
            given[section] = {**held, name: value}
        else:
            given[name] = value
    top = make_options(_Plain, {name: given[name] for name in ("out", "seed") if name in given}, "", origin)
    if top.seed < 0:
        raise origin.wrong("seed", expected="0 or more", found=str(top.seed), do="raise it")
    training = given.get("training", {})
    if isinstance(training, Mapping):
        training = {"seed": top.seed, **training}
    return GeneratorConfig(
        data=make_options(GeneratorData, given.get("data", {}), "data", origin),
        training=make_options(ProgressiveOptions, training, "training", origin),
        out=top.out,
        seed=top.seed,
    )


def require_same_generator(kept: GeneratorConfig, now: GeneratorConfig, run: Path) -> None:
    """Refuse to go on with another configuration.

    Raises:
        InputError: names the first option that differs.
    """
    before, after = _flat(kept.to_dict()), _flat(now.to_dict())
    for name in sorted({*before, *after} - FREE_TO_CHANGE):
        if before.get(name) != after.get(name):
            expected, found = f"{before.get(name)!r}, as {run} has it", f"{after.get(name)!r}"
            do = "drop the change, or train anew with another --out"
            raise InputError(complaint(f"--{name}", "", expected=expected, found=found, do=do))


def generator_option_list() -> tuple[Option, ...]:
    """Every option of every section."""
    return tuple(option for name, cls in _SECTIONS.items() for option in options_of(cls, name))


def _flat(record: Mapping[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in record.items():
        flat.update({f"{key}.{name}": held for name, held in value.items()} if key in _SECTIONS else {key: value})
    return flat
