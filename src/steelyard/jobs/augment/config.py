"""What `steelyard augment` is told: one YAML file, read into typed options, checked before any work."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import yaml

from steelyard.base.errors import InputError
from steelyard.jobs.augment.preset import with_preset
from steelyard.jobs.data_section import DataSection
from steelyard.jobs.typed_options import Origin, known_names, make_options, plain, read_yaml
from steelyard.latent.generators import GeneratorOptions
from steelyard.mitigation.objectives.task import TaskOptions
from steelyard.models.options import ModelOptions
from steelyard.training.options import TrainingOptions

Model = Literal["plain", "augmented", "pairs-only", "reweighed"]
Way = Literal["mirror", "onto-plane", "plain-mirror", "domain-dependent"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LatentSection:
    """Which latents.

    Attributes:
        fit: latents that hyperplanes are fitted on.
        validate: latents that their accuracy is found on.
        pairs: latents that make pairs.
        file: latents of one's own for the pairs (inverted from real images): Parquet, ids and lists. All of them make
            pairs, whatever `pairs` says; null samples them.
        batch: latents that the generator is given at once.
    """

    fit: int = 10_000
    validate: int = 5_000
    pairs: int = 20_000
    file: str | None = None
    batch: int = 64

    def __post_init__(self) -> None:
        for name, low in {"fit": 20, "validate": 4, "pairs": 1, "batch": 1}.items():
            if (value := getattr(self, name)) < low:
                raise InputError(f"latents.{name}: expected {low} or more, found {value}; raise it")


@dataclass(frozen=True, slots=True, kw_only=True)
class PairSection:
    """How pairs are made.

    Attributes:
        protected: attributes that mirror images change, beside `data.protected`; they are among the data's targets, and
            every set of all these is changed: 2^k − 1 mirror images.
        way: `mirror` keeps the targets' scores and negates the protected ones; `plain-mirror` does not keep the
            targets'; `onto-plane` stops at the protected plane, where the attribute is undecided; `domain-dependent`
            has a target plane for each group, one target at a time.
        images: `fly` makes images while training asks for them, nothing is stored; `disk` stores them first.
        noise: standard deviation of noise that every pixel of a generated image gets, a share of white, 0 to 0.5: for
            real images with noise, which a generator leaves out. The oracle sees images without it.
        filter: which pairs train: all (`none`); those in which the classifiers that labelled G(z) see the change in
            G(z′), and nothing else change (`annotators`); or those in which a network does that is trained as the
            oracle is, and apart from it (`oracle`), so that the oracle can judge what is left.
        smallest_angle: degrees between planes below which nothing is mirrored.
        min_class: latents to fit on that each class of an attribute must have.
        shown: pairs of each kind on the page.
    """

    protected: tuple[str, ...] = ()
    way: Way = "mirror"
    images: Literal["fly", "disk"] = "fly"
    noise: float = 0.0
    filter: Literal["none", "annotators", "oracle"] = "none"
    smallest_angle: float = 5.0
    min_class: int = 10
    shown: int = 8

    def __post_init__(self) -> None:
        if not 0 <= self.smallest_angle <= 90:
            raise InputError(f"pairs.smallest_angle: expected degrees from 0 to 90, found {self.smallest_angle:g}")
        if not 0 <= self.noise <= 0.5:
            raise InputError(f"pairs.noise: expected a share of white from 0 to 0.5, found {self.noise:g}; change it")
        if self.min_class < 1 or self.shown < 0:
            raise InputError("pairs: expected min_class of 1 or more and shown of 0 or more; change them")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassifierSection:
    """A classifier of all attributes, the protected ones among them, that is not compared: a run, or trained here.

    Attributes:
        run: folder of a run that scores the attributes; null trains a network.
        names: attribute → what the run calls it, where that is another name.
        source: other images of the same kind to train on (a world in which labels do not go with groups): opened as the
            data are, with the same columns; null for the real ones.
        model: the network that is trained.
        training: how it is trained.
    """

    run: str | None = None
    names: dict[str, str] = field(default_factory=dict)
    source: str | None = None
    model: ModelOptions = field(default_factory=ModelOptions)
    training: TrainingOptions = field(default_factory=TrainingOptions)


@dataclass(frozen=True, slots=True, kw_only=True)
class OracleSection(ClassifierSection):
    """An independent classifier that judges the pairs: trained apart from those that label them, or a run.

    Attributes:
        filter_source: images of the same kind for the network of the filter `oracle`; null for those of `source`.
        pairs: that it judges.
    """

    filter_source: str | None = None
    pairs: int = 2_000

    def __post_init__(self) -> None:
        if self.pairs < 1:
            raise InputError(f"oracle.pairs: expected 1 or more, found {self.pairs}; raise it")


@dataclass(frozen=True, slots=True, kw_only=True)
class AugmentConfig:
    """The whole of it.

    Attributes:
        data: real images.
        generator: of images like them; None where one is given that is open already.
        model: the network of every classifier.
        task: the loss of every classifier.
        training: how every classifier is trained, plain or with pairs.
        latents: how many.
        pairs: how they are made.
        oracle: judges the pairs; None for none.
        annotators: label the generated images; None for the classifiers of the real images, as published.
        out: the folder of everything.
        seed: of everything random.
        per_attribute: a classifier and pairs of its own for each target, as published; else one with a head for each.
        models: that are compared: `plain` (first), `augmented` (real images and pairs), `pairs-only`, `reweighed`.
        bootstrap: rounds of the intervals.
        preset: what the file's defaults came from.
    """

    data: DataSection
    generator: GeneratorOptions | None
    model: ModelOptions
    task: TaskOptions
    training: TrainingOptions
    latents: LatentSection
    pairs: PairSection
    oracle: OracleSection | None
    annotators: ClassifierSection | None
    out: str
    seed: int = 0
    per_attribute: bool = False
    models: tuple[Model, ...] = ("plain", "augmented")
    bootstrap: int = 500
    preset: str | None = None

    def __post_init__(self) -> None:
        """Check what belongs to several sections.

        Raises:
            InputError: names the option, what was expected and found.
        """
        for name in ("alpha", "pixels", "faces"):
            if getattr(self.data, name) is not None:
                raise InputError(f"data.{name}: expected nothing, as generated images have none, found it; drop it")
        if self.data.on_bad_image != "raise":
            raise InputError("data.on_bad_image: expected raise, found skip; take damaged images out of the labels")
        if self.training.devices * self.training.nodes > 1:
            raise InputError("training.devices: expected 1, found more; steelyard train takes several, this takes one")
        if self.models[:1] != ("plain",) or len(self.models) < 2 or len(set(self.models)) < len(self.models):
            found = ", ".join(self.models) or "none"
            raise InputError(f"models: expected plain first and others after it, each once, found {found}; change it")
        if self.pairs.way == "domain-dependent" and not (self.per_attribute and not self.pairs.protected):
            raise InputError(
                "pairs.way: expected domain-dependent with per_attribute: true and one protected attribute, found it "
                "without; a plane for each group keeps one target at a time"
            )
        if self.pairs.filter == "oracle" and self.oracle is None:
            raise InputError("pairs.filter: expected oracle with a section oracle, found none; add it")
        self._require_apart()
        if self.bootstrap < 2:
            raise InputError(f"bootstrap: expected 2 rounds or more, found {self.bootstrap}; raise it")

    def _require_apart(self) -> None:
        """Refuse one run, or one seed, for two networks: who judges must not be who labels."""
        seeds, runs = {"training.seed": self.training.seed}, list[str]()
        for name, section in (("oracle", self.oracle), ("annotators", self.annotators)):
            if section is None:
                continue
            if section.run is None:
                seeds[f"{name}.training.seed"] = section.training.seed
                if section.names:
                    raise InputError(f"{name}.names: expected {name}.run with it, found none; give it, or drop names")
            else:
                runs.append(section.run)
                if section.source is not None:
                    found = section.source
                    raise InputError(f"{name}.source: expected nothing beside {name}.run, found {found}; drop one")
        if len({Path(run).resolve() for run in runs}) < len(runs):
            raise InputError(
                f"oracle.run: expected another run than annotators.run, found {runs[0]} in both; those that label the "
                "latents cannot judge"
            )
        if self.oracle is not None and self.pairs.filter == "oracle":
            seeds["oracle.training.seed + 1 (the filter's)"] = self.oracle.training.seed + 1
        for name, seed in seeds.items():
            if twins := [other for other, number in seeds.items() if number == seed and other != name]:
                raise InputError(
                    f"{name}: expected another than {twins[0]}, as networks of one seed are not independent, found "
                    f"{seed} for both; change or drop one"
                )

    def to_dict(self) -> dict[str, Any]:
        """The whole of it, as the YAML file has it."""
        return {key: plain(value) for key, value in asdict(self).items()}

    def to_yaml(self) -> str:
        """The whole of it, as a file that `steelyard augment` reads."""
        return str(yaml.safe_dump(self.to_dict(), sort_keys=False, allow_unicode=True, width=120))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plain:
    out: str
    seed: int = 0
    per_attribute: bool = False
    models: tuple[Model, ...] = ("plain", "augmented")
    bootstrap: int = 500
    preset: str | None = None


_PLAIN = ("out", "seed", "per_attribute", "models", "bootstrap", "preset")
_SECTIONS: dict[str, type[Any]] = {
    "data": DataSection,
    "generator": GeneratorOptions,
    "model": ModelOptions,
    "task": TaskOptions,
    "training": TrainingOptions,
    "latents": LatentSection,
    "pairs": PairSection,
}
_OWN: Mapping[str, tuple[type[ClassifierSection], int]] = {
    "oracle": (OracleSection, 1),
    "annotators": (ClassifierSection, 3),
}
"""Sections that may be left out, and what is added to the classifiers' seed: networks of one seed would not be
independent. (The filter's network has 2.)"""


def read_augment(source: str | Path | Mapping[str, Any], *, out: str | None = None) -> AugmentConfig:
    """Read a configuration.

    Args:
        source: a YAML file, or what it would hold.
        out: folder, in place of what the file says.

    Raises:
        InputError: an option that there is not, or a value of another type or range; one line says which.
    """
    given = dict(source) if isinstance(source, Mapping) else read_yaml(source)
    origin = Origin("" if isinstance(source, Mapping) else str(source), () if out is None else ("out",))
    known_names(given, (*_SECTIONS, *_OWN, *_PLAIN), "", origin)
    given = with_preset(given, origin) | ({} if out is None else {"out": out})
    top = make_options(_Plain, {name: given[name] for name in _PLAIN if name in given}, "", origin)
    if top.seed < 0:
        raise origin.wrong("seed", expected="0 or more", found=str(top.seed), do="raise it")
    seeded = {"training": {"seed": top.seed}}
    made = {
        name: make_options(cls, _with(seeded.get(name, {}), given.get(name, {})), name, origin)
        for name, cls in _SECTIONS.items()
        if name != "generator" or given.get(name) is not None
    }
    own: dict[str, ClassifierSection | None] = dict.fromkeys(_OWN)
    for name, (cls, shift) in _OWN.items():
        if (said := given.get(name)) is not None:
            seed = {"seed": made["training"].seed + shift}
            training = _with(seed, said.get("training", {})) if isinstance(said, Mapping) else {}
            own[name] = make_options(cls, {**said, "training": training} if training else said, name, origin)
    return AugmentConfig(**{"generator": None, **made}, **own, **{name: getattr(top, name) for name in _PLAIN})  # type: ignore[arg-type]


def _with(first: Mapping[str, Any], given: Any) -> Any:
    return {**first, **given} if isinstance(given, Mapping) else given
