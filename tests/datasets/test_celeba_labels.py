"""CelebA: attributes against a plain parse, any of them protected, faces cut out in proportion."""

from pathlib import Path

import numpy as np
import pytest

from steelyard.base.errors import InputError
from steelyard.datasets.celeba import Celeba, face_square


def test_labels_of_each_split(celeba: Path) -> None:
    table = Celeba(celeba).labels()
    assert table.ids.tolist() == [f"00000{n}.jpg" for n in range(1, 7)]
    assert table.group_names == ("Male", "not Male")
    assert table.groups.tolist() == [0, 0, 1, 1, 0, 1]
    assert table.target_names == ("Bald", "Smiling", "Young")
    assert table.targets.tolist() == [[0, 1, 0], [1, 0, 0], [0, 1, 1], [0, 0, 1], [0, 1, 1], [0, 1, 1]]
    assert Celeba(celeba).labels("test").ids.tolist() == ["000005.jpg", "000006.jpg"]
    assert [str(one) for one in Celeba(celeba).selections()] == [
        "train: 3 images; 3 kept (2 Male + 1 not Male)",
        "val: 1 images; 1 kept (0 Male + 1 not Male)",
        "test: 2 images; 2 kept (1 Male + 1 not Male)",
    ]


def test_any_attribute_protected_and_any_targets(celeba: Path) -> None:
    table = Celeba(celeba, protected="Young", targets=["Male", "Sm*"]).labels()
    assert table.group_names == ("Young", "not Young")
    assert table.target_names == ("Male", "Smiling")
    assert table.targets[:2].tolist() == [[1, 1], [1, 0]]


def test_the_official_folders(celeba: Path) -> None:
    for folder, file in (("Anno", "list_attr_celeba.txt"), ("Eval", "list_eval_partition.txt")):
        (celeba / folder).mkdir()
        (celeba / file).rename(celeba / folder / file)
    (celeba / "Img" / "img_align_celeba").mkdir(parents=True)
    data = Celeba(celeba)
    assert len(data.labels()) == 6
    assert data.image_path("000003.jpg") == celeba / "Img" / "img_align_celeba" / "000003.jpg"


def test_missing_files_are_named(celeba: Path) -> None:
    (celeba / "list_eval_partition.txt").unlink()
    with pytest.raises(InputError) as caught:
        Celeba(celeba)
    assert str(caught.value) == (
        f"{celeba}: expected the layout of CelebA, found no list_eval_partition.txt; put it there from its Anno and "
        "Eval folders"
    )


@pytest.mark.parametrize(
    ("before", "after", "line"),
    [
        (
            "000004.jpg 1\n",
            "",
            "expected the 6 images of list_attr_celeba.txt, found 1 image without a line (id 000004.jpg); the file may "
            "be truncated",
        ),
        (
            "000002.jpg 0",
            "000002.jpg 3",
            "line 2: expected an image and 0 (train), 1 (val) or 2 (test), found '000002.jpg 3'; correct the line",
        ),
        (
            "000006.jpg 2",
            "000006.jpg",
            "line 6: expected an image and 0 (train), 1 (val) or 2 (test), found '000006.jpg'; correct the line",
        ),
        (
            "000003.jpg",
            "000002.jpg",
            "line 3: expected each image once, found '000002.jpg' again; remove one line",
        ),
    ],
)
def test_faults_of_the_partition(celeba: Path, before: str, after: str, line: str) -> None:
    path = celeba / "list_eval_partition.txt"
    path.write_text(path.read_text().replace(before, after))
    with pytest.raises(InputError) as caught:
        Celeba(celeba).labels()
    assert str(caught.value) == f"{path}: {line}"


def test_an_unknown_attribute(celeba: Path) -> None:
    with pytest.raises(InputError, match=r"column 'male': expected this column, named by --protected, .*'Male'"):
        Celeba(celeba, protected="male").labels()


def test_the_square_around_the_face() -> None:
    assert face_square(218, 178) == (slice(57, 185), slice(25, 153))
    assert face_square(109, 89) == (slice(29, 93), slice(13, 77))
    assert face_square(436, 356) == (slice(114, 370), slice(50, 306))
    for height in range(1, 300):
        rows, _ = face_square(height, height)
        assert 0 <= rows.start < rows.stop <= height


def test_a_region_is_cut_when_read_and_the_file_stays(celeba: Path) -> None:
    cv2 = pytest.importorskip("cv2")
    folder = celeba / "img_align_celeba"
    folder.mkdir(exist_ok=True)
    drawn = np.random.default_rng(0).integers(0, 256, size=(218, 178, 3), dtype=np.uint8)
    cv2.imwrite(str(folder / "000001.jpg"), drawn)
    before = (folder / "000001.jpg").read_bytes()
    whole, face = Celeba(celeba).image("000001.jpg"), Celeba(celeba, region="face").image("000001.jpg")
    assert np.array_equal(face, whole[57:185, 25:153])
    assert np.array_equal(face, Celeba(celeba, region="face").image("000001.jpg"))  # twice read, cut once
    assert (folder / "000001.jpg").read_bytes() == before
    with pytest.raises(InputError, match=r"--region: expected face, or none .* found 'nose'"):
        Celeba(celeba, region="nose")


def test_real_counts_against_a_plain_parse(real_celeba: Path) -> None:
    lines = (real_celeba / "list_attr_celeba.txt").read_text().splitlines()
    names, rows = lines[1].split(), {line.split()[0]: line.split()[1:] for line in lines[2:]}
    parts = dict(line.split() for line in (real_celeba / "list_eval_partition.txt").read_text().splitlines())
    data = Celeba(real_celeba)
    for code, split, size in (("0", "train", 6_000), ("1", "val", 1_000), ("2", "test", 1_000)):
        table = data.labels(split)  # type: ignore[arg-type]
        listed = [image for image in rows if parts[image] == code]
        assert table.ids.tolist() == listed
        assert len(listed) == size
        men = sum(rows[image][names.index("Male")] == "1" for image in listed)
        assert (table.groups == table.group_names.index("Male")).sum() == men
        for position, name in enumerate(table.target_names):
            assert table.targets[:, position].sum() == sum(rows[i][names.index(name)] == "1" for i in listed)
    assert len(data.labels().target_names) == 39
