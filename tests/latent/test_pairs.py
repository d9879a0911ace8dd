"""Pairs: labels that the planted planes give, the same images from memory and from disk, real images untouched."""

import subprocess
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from test_annotation import Blocks  # noqa: E402

from steelyard.base.errors import InputError, JoinError  # noqa: E402
from steelyard.datasets.dataset import ManyImages  # noqa: E402
from steelyard.latent.by_id import ByLatent, latent_ids  # noqa: E402
from steelyard.latent.hyperplanes import Hyperplane  # noqa: E402
from steelyard.latent.mirroring import mirror  # noqa: E402
from steelyard.latent.pairs import (  # noqa: E402
    OnDisk,
    OnTheFly,
    Pairs,
    Together,
    flips_of,
    joined_labels,
    pair_labels,
    pair_latents,
    store,
)
from steelyard.latent.pixels import Synthesis  # noqa: E402
from steelyard.latent.real import RealImages, present_group, with_targets  # noqa: E402
from steelyard.tables.label_table import LabelTable  # noqa: E402

pytestmark = pytest.mark.torch
SLANTED = np.array([0.6, 0.8, 0.0])
PLANES = {
    "Male": Hyperplane(np.array([1.0, 0.0, 0.0]), 0.1, "Male"),
    "Hat": Hyperplane(SLANTED, -0.05, "Hat"),
    "Young": Hyperplane(np.array([0.0, 0.6, 0.8]), 0.0, "Young"),
}


def truth_of(z):
    return np.stack([(plane.score(z) > 0) for plane in PLANES.values()], axis=1).astype(np.uint8)


def turned(keep):
    def made(z, flip):
        kept = [PLANES[name] for name in keep if name not in flip]
        return mirror(z, [PLANES[name] for name in flip], kept)

    return made


def world(n=200):
    z = ByLatent(latent_ids(n), Blocks().sample(n, seed=2))
    return z, ByLatent(z.ids, truth_of(z.values), tuple(PLANES))


def real_table(n=12, targets=("Hat",)):
    rng = np.random.default_rng(0)
    return LabelTable(
        ids=np.array([f"r{at:03d}" for at in range(n)]),
        groups=rng.integers(0, 2, n),
        group_names=("Male", "not Male"),
        targets=rng.integers(0, 2, (n, len(targets))).astype(np.uint8),
        target_names=tuple(targets),
        kind="multi",
        splits=np.repeat(["train", "val", "test"], n // 3),
        protected="Male",
    )


class Real:
    name = source = "real"

    def __init__(self, table):
        self.table = table

    def labels(self, split=None):
        return self.table

    def selections(self):
        return ()

    def image(self, image_id):
        return np.full((20, 16, 3), int(image_id[1:]), dtype=np.uint8)


@pytest.mark.parametrize(("protected", "targets"), [(("Male",), ("Hat",)), (("Male", "Young"), ("Hat",))])
def test_every_mirror_image_is_what_its_labels_say(protected, targets):
    z, labels = world()
    flips = flips_of(protected)
    assert len(flips) == 2 ** len(protected) - 1
    every = pair_latents(z, flips, turned((*protected, *targets)))
    table = pair_labels(real_table(), labels, z.ids, flips, present=0)
    assert len(table) == len(z) * (1 + len(flips))
    seen = truth_of(every.of(table.ids))
    # All of them, not most: the planes are the planted ones.
    assert np.array_equal(table.groups, 1 - seen[:, 0])
    assert np.array_equal(table.targets[:, 0], seen[:, 1])
    # The control: without keeping the target, its label is wrong for many.
    plain = truth_of(pair_latents(z, flips, turned(protected)).of(table.ids))
    assert (table.targets[:, 0] != plain[:, 1]).mean() > 0.1


def test_targets_and_groups_are_uncorrelated_in_pairs_but_not_before():
    z, labels = world()
    table = pair_labels(real_table(), labels, z.ids, (("Male",),), present=0)
    own = table.take(np.arange(len(z)))
    assert abs(np.corrcoef(table.targets[:, 0], table.groups)[0, 1]) < 1e-12
    assert abs(np.corrcoef(own.targets[:, 0], own.groups)[0, 1]) > 0.2


def test_a_second_protected_attribute_that_is_a_target_changes_its_label():
    z, labels = world(30)
    table = pair_labels(real_table(targets=("Hat", "Young")), labels, z.ids, flips_of(("Male", "Young")), present=0)
    place = {name: row for row, name in enumerate(table.ids.tolist())}
    first = str(z.ids[0])
    own, other = table.targets[place[first]], table.targets[place[f"{first}-Male+Young"]]
    assert own[0] == other[0]
    assert own[1] != other[1]
    assert table.groups[place[first]] == table.groups[place[f"{first}-Young"]] != table.groups[place[f"{first}-Male"]]


def test_a_filter_leaves_out_mirror_images_and_lonely_images():
    z, labels = world(6)
    kept = {("Male",): np.array([1, 1, 0, 0, 1, 0], dtype=bool)}
    table = pair_labels(real_table(), labels, z.ids, (("Male",),), kept=kept, present=0)
    left = [str(z.ids[at]) for at in (0, 1, 4)]
    assert table.ids.tolist() == [*left, *(f"{name}-Male" for name in left)]


def test_images_on_the_fly_and_on_disk_are_the_same_bytes(tmp_path):
    z, _ = world(70)
    every = pair_latents(z, (("Male",),), turned(("Hat",)))
    fly = OnTheFly(Synthesis(Blocks(), batch=16), every)
    told = []
    assert store(tmp_path, Synthesis(Blocks()), every, mark="m", length=32, told=told.append) == 140
    assert told == [32, 32, 32, 32, 12]
    disk = OnDisk(tmp_path, every.ids)
    some = np.random.default_rng(3).permutation(every.ids)[:50].tolist()
    assert np.array_equal(fly(some), disk(some))
    assert fly(some).dtype == np.uint8
    assert not np.array_equal(fly(some[:1]), fly(some[1:2]))
    with pytest.raises(InputError, match="expected one of its 140 image ids"):
        disk(["g9999999"])
    with pytest.raises(JoinError, match="expected images of 70 ids, found 140 images"):
        OnDisk(tmp_path, z.ids)


def test_noise_is_of_the_size_asked_for_and_belongs_to_the_latent():
    z = world(40)[0].values
    clear, noisy = Synthesis(Blocks())(z), Synthesis(Blocks(), batch=7, noise=0.1)(z)
    unclipped = (clear > 80) & (clear < 175)
    difference = noisy.astype(float)[unclipped] - clear.astype(float)[unclipped]
    assert unclipped.mean() > 0.1
    assert abs(difference.std() / 255 - 0.1) < 0.01
    assert abs(difference.mean()) < 2.0
    # Whatever else is made with it: a stored image and one made on the fly are the same.
    np.testing.assert_array_equal(Synthesis(Blocks(), batch=3, noise=0.1)(z[11:19]), noisy[11:19])
    beside = z[:1] + np.float32(1e-5)
    np.testing.assert_array_equal(Synthesis(Blocks())(beside), clear[:1])
    assert (Synthesis(Blocks(), noise=0.1)(beside) != noisy[:1]).mean() > 0.5


def test_stored_images_go_on_where_they_stopped_and_damage_is_told(tmp_path):
    z, _ = world(40)
    store(tmp_path, Synthesis(Blocks()), z, mark="m", length=8)
    (tmp_path / "00003.npy").unlink()
    with pytest.raises(InputError, match="expected 5 shards, found 4; run the step again"):
        OnDisk(tmp_path, z.ids)
    generator = Blocks()
    assert store(tmp_path, Synthesis(generator), z, mark="m", length=8) == 8
    assert sum(generator.made) == 8
    (tmp_path / "00001.npy").write_bytes(b"\x93NUMPY and no more")
    with pytest.raises(InputError, match=r"00001\.npy: expected an array, found a damaged file; remove it"):
        OnDisk(tmp_path, z.ids)([str(z.ids[9])])
    assert store(tmp_path, Synthesis(Blocks()), z, mark="other", length=8) == 40


def test_images_of_other_latents_are_not_taken_for_these(tmp_path):
    z, _ = world(40)
    other = ByLatent(z.ids, z.values[::-1])
    for table, made in ((z, 40), (z, 0), (other, 40), (ByLatent(z.ids[::-1], z.values), 40)):
        assert store(tmp_path, Synthesis(Blocks()), table, mark="m", length=8) == made
        assert np.array_equal(OnDisk(tmp_path, table.ids)(z.ids.tolist()), Synthesis(Blocks())(table.of(z.ids)))


@pytest.fixture
def full_disk(tmp_path):
    """A disk of 64 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no mount command here")
    if done.returncode:
        pytest.skip(f"a small disk cannot be mounted here ({done.stderr.strip()})")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_is_one_line_and_what_stands_is_sound(full_disk, tmp_path):
    z, _ = world(400)
    with pytest.raises(InputError, match=r"cannot be written \(No space left on device\); make room") as error:
        store(full_disk / "images", Synthesis(Blocks()), z, mark="m", length=64)
    assert "\n" not in str(error.value)
    stands = sorted(path.name for path in (full_disk / "images").iterdir())
    assert "00000.npy" in stands
    assert not [name for name in stands if name.endswith(".part")]
    whole = Synthesis(Blocks())(z.values[:64])
    assert np.array_equal(np.load(full_disk / "images" / "00000.npy"), whole)


def together(real_training=True):
    z, labels = world(9)
    every = pair_latents(z, (("Male",),), turned(("Hat",)))
    pairs = Pairs(pair_labels(real_table(), labels, z.ids, (("Male",),), present=0),
                  OnTheFly(Synthesis(Blocks()), every))  # fmt: skip
    real = RealImages(Real(real_table()), real_table(), (8, 8))
    return real, pairs, Together(real, pairs, real_training=real_training)


def test_only_the_training_images_grow():
    real, pairs, joined = together()
    assert isinstance(joined, ManyImages)
    assert Counter(joined.labels().splits.tolist()) == {"train": 4 + 18, "val": 4, "test": 4}
    for split in ("val", "test"):
        assert joined.labels(split).ids.tolist() == real.labels(split).ids.tolist()
    assert Counter(together(real_training=False)[2].labels().splits.tolist()) == {"train": 18, "val": 4, "test": 4}
    ids = np.random.default_rng(1).permutation(joined.labels().ids).tolist()
    block = joined.images(ids)
    for at, image_id in enumerate(ids):
        source = real if image_id.startswith("r") else pairs
        assert np.array_equal(block[at], source.image(image_id))
        assert np.array_equal(block[at], joined.image(image_id))
    assert block.shape == (30, 8, 8, 3)


def test_tables_that_do_not_fit_are_one_line():
    table = real_table()
    with pytest.raises(JoinError, match="expected ids that no other part has, found ids r000"):
        joined_labels([table, table])
    with pytest.raises(JoinError, match="expected the targets and groups of labels, found others"):
        joined_labels([table, replace(table, target_names=("Other",))])


def test_the_protected_attribute_becomes_a_target_like_others():
    table = real_table(targets=("Hat", "Young"))
    made = with_targets(table, ("Young", "Male"))
    assert made.target_names == ("Young", "Male")
    assert np.array_equal(made.targets[:, 1], table.groups == 0)
    assert np.array_equal(made.targets[:, 0], table.targets[:, 1])
    assert made.protected != "Male"
    with pytest.raises(InputError, match=r"expected an attribute .* found 'Beard'"):
        with_targets(table, ("Beard",))
    three = replace(table, group_names=("a", "b", "c"))
    with pytest.raises(InputError, match="expected two groups, as a mirror image changes one into the other, found 3"):
        present_group(three)
