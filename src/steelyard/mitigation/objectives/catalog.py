"""The objectives by name, their options, and those of the paper."""

from dataclasses import dataclass
from typing import Any

from steelyard.base.errors import InputError
from steelyard.mitigation.objectives.adversarial import AdversarialObjective, AdversarialOptions
from steelyard.mitigation.objectives.adversarial_image import AdversarialImageObjective, AdversarialImageOptions
from steelyard.mitigation.objectives.domain_independent import DomainIndependentObjective, DomainIndependentOptions
from steelyard.mitigation.objectives.group_dro import GroupDROObjective, GroupDROOptions
from steelyard.mitigation.objectives.options import require_choice
from steelyard.mitigation.objectives.reweighed import ReweighedObjective, ReweighedOptions
from steelyard.mitigation.objectives.task import TaskObjective, TaskOptions
from steelyard.training.objective import Objective

_WANG = "https://arxiv.org/abs/1811.08489"


@dataclass(frozen=True, slots=True)
class ObjectiveRow:
    """One way to train.

    Attributes:
        options: class of its options; each has a default.
        objective: class of the objective, made from its options.
        summary: what is minimised, in a line.
        paper: where it comes from.
    """

    options: type[Any]
    objective: type[Any]
    summary: str
    paper: str


OBJECTIVES: dict[str, ObjectiveRow] = {
    "task": ObjectiveRow(TaskOptions, TaskObjective, "the labels' loss, nothing else", _WANG),
    "adversarial": ObjectiveRow(
        AdversarialOptions,
        AdversarialObjective,
        "the labels' loss against critics that read the group out of one or more layers",
        _WANG,
    ),
    "adversarial-image": ObjectiveRow(
        AdversarialImageOptions,
        AdversarialImageObjective,
        "the labels' loss on images in which a mask hides pixels from a critic of the group",
        _WANG,
    ),
    "domain-independent": ObjectiveRow(
        DomainIndependentOptions,
        DomainIndependentObjective,
        "the labels' loss with a head for each group; the heads' logits are averaged",
        "https://arxiv.org/abs/1911.11834",
    ),
    "group-dro": ObjectiveRow(
        GroupDROOptions,
        GroupDROObjective,
        "the labels' loss in the group where it is highest",
        "https://arxiv.org/abs/1911.08731",
    ),
    "reweighed": ObjectiveRow(
        ReweighedOptions,
        ReweighedObjective,
        "the labels' loss with given weights by label, group and presence",
        "https://arxiv.org/abs/2012.01469",
    ),
}
"""Name → objective."""


@dataclass(frozen=True, slots=True)
class Preset:
    """An objective as a paper has it.

    Attributes:
        objective: its name among `OBJECTIVES`.
        options: as published; rates of critics and masks are this package's, for the paper gives them none of their
            own (trap W12).
    """

    objective: str
    options: Any


def _adversarial(tap: str, weight: float) -> Preset:
    critic: Any = tap
    options = AdversarialOptions(tap=tap, critic=critic, weight=weight, ramp=0.0, weighting="published")
    return Preset("adversarial", options)


PRESETS: dict[str, Preset] = {
    "wang2019-task": Preset("task", TaskOptions(weighting="published")),
    "wang2019-coco-conv4": _adversarial("conv4", 2.0),
    "wang2019-coco-conv5": _adversarial("conv5", 2.0),
    "wang2019-imsitu-conv4": _adversarial("conv4", 1.0),
    "wang2019-imsitu-conv5": _adversarial("conv5", 1.0),
    "wang2019-image": Preset(
        "adversarial-image",
        AdversarialImageOptions(weight=5.0, keep=0.1, critic="image", ramp=0.0, weighting="published"),
    ),
}
"""Name → objective and options as published."""


def build_objective(name: str, options: Any = None) -> Objective:
    """An objective, before its `setup`.

    Args:
        name: a key of `OBJECTIVES`.
        options: of that objective's class of options; None is its defaults.

    Raises:
        InputError: no such objective, or options of another one.
    """
    require_choice("name", name, tuple(OBJECTIVES))
    row = OBJECTIVES[name]
    if options is not None and not isinstance(options, row.options):
        raise InputError(
            f"objective {name}: expected {row.options.__name__}, found {type(options).__name__}; "
            "give the options of this objective"
        )
    made: Objective = row.objective(options)
    return made
