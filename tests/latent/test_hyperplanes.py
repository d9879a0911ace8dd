"""Planes: what is a plane, how far apart two are, and files of them."""

import json

import numpy as np
import pytest
from latent_worlds import at_angle, random_planes, unit

from steelyard import latent
from steelyard.base.errors import InputError
from steelyard.latent import (
    Hyperplane,
    angles,
    conditioned_direction,
    joint_angles,
    mirror,
    read_hyperplanes,
    write_hyperplanes,
)


def test_score_is_the_signed_distance():
    plane = Hyperplane(np.array([0.6, 0.8]), -1.0)
    z = np.array([[0.6, 0.8], [0.0, 0.0], [3.0, 4.0]])
    assert plane.score(z) == pytest.approx([0.0, -1.0, 4.0])
    assert plane.score(z.astype(np.float32)).dtype == np.float32


def test_from_weights_is_the_same_plane_at_any_scale():
    rng = np.random.default_rng(0)
    weights, z = rng.normal(size=7), rng.normal(size=(50, 7))
    raw = z @ weights + 0.4
    for scale in (1e-200, 1e-3, 1.0, 1e5, 1e200):
        plane = Hyperplane.from_weights(scale * weights, scale * 0.4, "Hat")
        assert plane.score(z) == pytest.approx(raw / np.linalg.norm(weights))
        assert np.linalg.norm(plane.normal) == pytest.approx(1, abs=1e-12)
        assert plane.name == "Hat"


def test_a_plane_cannot_be_changed_from_outside():
    normal = unit(np.ones(4))
    plane = Hyperplane(normal, 0.0)
    normal[:] = 0
    assert np.linalg.norm(plane.normal) == pytest.approx(1)
    with pytest.raises(ValueError, match="read-only"):
        plane.normal[0] = 3


def test_bad_planes_are_refused_in_one_line():
    with pytest.raises(InputError, match=r"hyperplane 'Hat': expected a normal of length 1, found 2; use Hyper"):
        Hyperplane(np.array([2.0, 0.0]), 0.0, "Hat")
    with pytest.raises(InputError, match="finite numbers"):
        Hyperplane(np.array([np.nan, 1.0]), 0.0)
    with pytest.raises(InputError, match="finite numbers"):
        Hyperplane(np.array([0.0, 1.0]), np.inf)
    with pytest.raises(InputError, match=r"shape \[d\], found \[1, 2\]"):
        Hyperplane(np.array([[0.0, 1.0]]), 0.0)
    with pytest.raises(InputError, match="expected weights other than 0"):
        Hyperplane.from_weights(np.zeros(3), 1.0)
    with pytest.raises(InputError, match="finite numbers"):
        Hyperplane.from_weights(np.array([1.0, np.nan]), 1.0)
    with pytest.raises(InputError, match="expected 2 columns, as the plane number 1 has, found 3"):
        Hyperplane(np.array([0.0, 1.0]), 0.0).score(np.zeros((4, 3)))
    with pytest.raises(InputError, match=r"expected float32 or float64 \[n, d\], found int64 \[1, 2\]"):
        Hyperplane(np.array([0.0, 1.0]), 0.0).score(np.array([[1, 2]]))


@pytest.mark.parametrize("degrees", [1e-9, 1e-3, 5.0, 45.0, 90.0, 120.0, 179.0, 180.0])
def test_angle_between_two_planes(degrees):
    """Planes have no front: 120 degrees between normals are 60 between planes; tiny angles are exact, too."""
    planes = at_angle(degrees)
    expected = min(degrees, 180 - degrees)
    assert angles(planes)[0, 1] == pytest.approx(expected, rel=1e-6, abs=1e-13)
    assert angles(planes)[0, 0] == 0
    if expected > 1e-6:
        assert joint_angles(planes) == pytest.approx([expected, expected], rel=1e-6)


def test_three_planes_may_be_far_apart_in_pairs_and_yet_in_one_sheaf():
    rng = np.random.default_rng(0)
    first, second = np.eye(9)[:2]
    third = unit(first + second)
    tilt = np.radians(0.03)
    tilted = np.cos(tilt) * third + np.sin(tilt) * np.eye(9)[5]
    turn = np.linalg.qr(rng.normal(size=(9, 9)))[0]
    planes = [Hyperplane(turn @ normal, 0.0) for normal in (first, second, tilted)]
    assert angles(planes)[np.triu_indices(3, 1)].min() > 44
    assert joint_angles(planes)[2] == pytest.approx(0.03, rel=1e-6)


def test_joint_angles_are_those_of_the_inverse_of_the_products():
    planes = random_planes(np.random.default_rng(4), 12, 5)
    normals = np.array([plane.normal for plane in planes])
    sines = 1 / np.sqrt(np.diag(np.linalg.inv(normals @ normals.T)))
    assert np.sin(np.radians(joint_angles(planes))) == pytest.approx(sines)
    assert joint_angles(planes[:1]) == pytest.approx([90.0])


def test_a_file_gives_the_same_planes_back(tmp_path):
    planes = {plane.name: plane for plane in random_planes(np.random.default_rng(1), 20, 3)}
    planes["Große Nase"] = Hyperplane(planes["p0"].normal, 1 / 3)
    path = tmp_path / "planes.json"
    write_hyperplanes(path, planes, generator="portraits")
    again = read_hyperplanes(path, generator="portraits")
    assert list(again) == list(planes)
    for name, plane in planes.items():
        assert np.array_equal(again[name].normal, plane.normal)
        assert again[name].offset == plane.offset
        assert again[name].name == name
    assert [one.name for one in tmp_path.iterdir()] == ["planes.json"]
    assert list(read_hyperplanes(path)) == list(planes)


def test_wrong_files_are_refused_in_one_line(tmp_path):
    plane = Hyperplane(np.eye(3)[0], 0.0)
    path = tmp_path / "planes.json"
    write_hyperplanes(path, {"Hat": plane}, generator="portraits")
    with pytest.raises(InputError, match=r"planes of the generator 'mine', found 'portraits'; give"):
        read_hyperplanes(path, generator="mine")
    with pytest.raises(InputError, match="No such file"):
        read_hyperplanes(tmp_path / "none.json")
    for text in ("{", "[]", json.dumps({"format": "steelyard hyperplanes 1", "planes": {"a": {"offset": 1}}})):
        path.write_text(text)
        with pytest.raises(InputError, match=r"planes\.json: expected"):
            read_hyperplanes(path)
    held = {"format": "steelyard hyperplanes 1", "planes": {"a": {"offset": 1, "normal": [1, 1]}}}
    path.write_text(json.dumps(held))
    with pytest.raises(InputError, match=r"planes\.json: hyperplane 'a': expected a normal of length 1"):
        read_hyperplanes(path)
    with pytest.raises(InputError, match="expected 3 dimensions, as the first has, found 2 in number 2"):
        write_hyperplanes(path, {"a": plane, "b": Hyperplane(np.eye(2)[0], 0.0)})
    with pytest.raises(InputError, match="at least one"):
        write_hyperplanes(path, {})
    with pytest.raises(InputError, match="expected a writable path"):
        write_hyperplanes(tmp_path / "no" / "planes.json", {"a": plane})


def test_conditioned_direction_changes_one_score_only():
    rng = np.random.default_rng(2)
    planes = random_planes(rng, 30, 4)
    direction = conditioned_direction(planes[0], planes[1:])
    normals = np.array([plane.normal for plane in planes])
    assert np.linalg.norm(direction) == pytest.approx(1)
    assert normals[1:] @ direction == pytest.approx(np.zeros(3), abs=1e-12)
    assert normals[0] @ direction == pytest.approx(np.sin(np.radians(joint_angles(planes)[0])))
    assert np.abs(normals[1:] @ normals[0]).max() > 0.1, "the control: unconditioned, it changes others"
    # Steepest: no other unit vector that leaves the conditions gains more.
    basis = np.linalg.svd(normals[1:])[2][3:]
    others = rng.normal(size=(1000, len(basis))) @ basis
    assert (others @ normals[0] / np.linalg.norm(others, axis=1)).max() <= normals[0] @ direction
    z = rng.normal(size=(5, 30))
    moves = mirror(z, planes[:1], planes[1:]) - z
    assert np.abs(moves @ direction) == pytest.approx(np.linalg.norm(moves, axis=1))
    assert np.array_equal(conditioned_direction(planes[0]), planes[0].normal)
    with pytest.raises(InputError, match="'Male' and 'Beard' at 3°"):
        conditioned_direction(*[at_angle(3)[0]], [at_angle(3)[1]])


def test_every_name_of_the_package_is_there_and_none_is_a_module():
    for name in latent.__all__:
        assert callable(getattr(latent, name))
    assert set(latent.__all__) <= set(dir(latent))
    with pytest.raises(AttributeError, match="no attribute 'mirrors'"):
        _ = latent.mirrors
