"""What calibration refuses, each in one line that says what was expected, what was found, and what to do."""

import re
from dataclasses import replace

import numpy as np
import pytest
from rba_oracles import multi_label, single_label

from steelyard.base.errors import InputError
from steelyard.mitigation.predictions import RBAOptions, ShareConstraints, calibrate, decode, share_constraints

WORLD = multi_label(0, n=12, t=3, k=2)


def constrained(world=WORLD, **changes):
    targets, groups = world.train
    return share_constraints(
        **{"targets": targets, "groups": groups, "k": world.k, "names": world.names, "min_support": 1} | changes
    )


def refused(expected, call, *args, **kwargs):
    with pytest.raises(InputError) as caught:
        call(*args, **kwargs)
    message = str(caught.value)
    assert "\n" not in message
    assert re.search(expected, message), message


def with_value(value, place=(3, 1, 2, 0)):
    potentials = WORLD.potentials.copy()
    potentials[place] = value
    return potentials


def test_sound_input_passes():
    """The control of all that follows."""
    found = calibrate(WORLD.potentials, WORLD.group_scores, constrained(), names=WORLD.names, group_names=WORLD.groups)
    assert not found.violations_after.any()


def test_potentials():
    scores = WORLD.group_scores
    refused(
        r"potentials: expected finite .* found nan at image 3, position \(1, 2, 0\)", decode, with_value(np.nan), scores
    )
    refused(r"potentials: expected finite .* found -inf at image 3", decode, with_value(-np.inf), scores)
    refused("group_scores: expected finite", decode, WORLD.potentials, np.full_like(scores, np.nan))
    refused(r"potentials: expected \[n, k, t, 2\] .* \(12, 2, 3\)", decode, WORLD.potentials[..., 0], scores)
    refused(r"potentials: expected \[n, v, k\] without .*; pass group_scores", decode, WORLD.potentials)
    refused(r"group_scores: expected shape \(12, 2\).*found \(11, 2\)", decode, WORLD.potentials, scores[:11])
    refused("1 image, 1 label and 2 groups, found 0 images", decode, WORLD.potentials[:0], scores[:0])
    refused("found 12 images, 3 labels and 1 groups", decode, WORLD.potentials[:, :1], scores[:, :1])
    refused("potentials: expected numbers, found <U1", decode, np.full((2, 2, 2), "a"))


def test_training_labels():
    targets, groups = WORLD.train
    refused(r"margin: expected a share in \[0, 1\), found -0.1", constrained, margin=-0.1)
    refused("margin: .* found nan", constrained, margin=float("nan"))
    refused("margin: .* found 1", constrained, margin=1)
    refused("min_support: expected a whole number of at least 1, found 0", constrained, min_support=0)
    refused("a label with at least 1,000 training .* lower min_support", constrained, min_support=1000)
    refused("found at most 0 .'label0'.", constrained, targets=np.zeros_like(targets))
    refused("groups: expected 0 to 1, found 7 in row 0", constrained, groups=np.full_like(groups, 7))
    refused("targets: expected 4 columns, as many as names, found 3", constrained, names="abcd")
    refused("targets: expected 0 and 1, found 2", constrained, targets=targets * 2)
    refused("targets: expected categories 0 to 2, found 9", constrained, targets=np.full(len(groups), 9))
    refused("one row per image", constrained, groups=groups[:5])
    refused("k: expected 2 groups or more, found 1", constrained, k=1)


def limited(low, high, **changes):
    return ShareConstraints(
        **{
            "targets": np.array([0]),
            "shares": np.array([[0.3, 0.7]]),
            "support": np.array([10]),
            "low": np.array([low]),
            "high": np.array([high]),
            "margin": 0.05,
            "names": ("cup",),
        }
        | changes
    )


def test_constraints_that_contradict_each_other():
    assert len(limited([0.2, 0.6], [0.4, 0.8])) == 1
    refused("label 'cup': contradictory .* low 0.5 above high 0.4 for group 0", limited, [0.5, 0.5], [0.4, 0.8])
    refused("label 'cup': contradictory .* the lows 0.4, 0.7 sum to 1.1, above 1", limited, [0.4, 0.7], [0.5, 0.8])
    refused("label 'cup': contradictory .* the highs 0.2, 0.7 sum to 0.9, below 1", limited, [0.1, 0.5], [0.2, 0.7])
    refused(r"label 'cup': expected low and high in \[0, 1\]", limited, [float("nan"), 0.5], [0.5, 0.8])
    refused("label 'cup': expected training images", limited, [0.2, 0.6], [0.4, 0.8], support=np.array([0]))
    refused("label 'cup': expected shares", limited, [0.2, 0.6], [0.4, 0.8], shares=np.array([[0.3, 0.3]]))
    refused(r"low: expected shape \(1, 2\)", limited, [0.2], [0.4, 0.8])
    refused("names: expected 1", limited, [0.2, 0.6], [0.4, 0.8], names=())


def test_constraints_of_other_labels_or_groups():
    own = (WORLD.potentials, WORLD.group_scores)
    refused("expected 3 groups, as in the constraints, found 2", calibrate, *own, constrained(k=3))
    moved = replace(constrained(), targets=np.array([0, 1, 5]))
    refused("found 3, and label 'label2' is number 5", calibrate, *own, moved)
    refused("names: expected 'label0'.*found 'label2'", calibrate, *own, constrained(), names=WORLD.names[::-1])
    refused("names: expected 3", calibrate, *own, constrained(), names=("a",))
    refused("group_names: expected 2", calibrate, *own, constrained(), group_names=("a",))


def test_too_few_images_for_their_shares():
    world = single_label(3, n=5, v=3, k=2, margin=0.0, rows=60)
    message = "no assignment of 5 images meets these shares within a margin of 0: 'label0' .a 0.* raise the margin"
    refused(message, calibrate, world.potentials, None, constrained(world, margin=0.0), group_names=("a", "b"))
    assert not calibrate(world.potentials, None, constrained(world, margin=0.2)).violations_after.any()


def test_options():
    assert RBAOptions().rounds == 100
    refused("rounds: expected a whole number of at least 1, found 0", RBAOptions, rounds=0)
    refused("core: expected a whole number of at least 1, found 0.5", RBAOptions, core=0.5)
    refused("step: expected a number above 0, found 0", RBAOptions, step=0)
    refused("seconds: expected a number above 0, found nan", RBAOptions, seconds=float("nan"))
    refused(r"gap: expected a fraction in \[0, 1\), found 1", RBAOptions, gap=1)
