"""Tables by latent: what is written comes back, whatever the order; misaligned or missing ids are one line."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from steelyard.base.errors import InputError, JoinError
from steelyard.latent.by_id import (
    ByLatent,
    latent_ids,
    mirror_ids,
    read_columns,
    read_latents,
    write_columns,
    write_latents,
)


def table(n=7, d=5, seed=0):
    return ByLatent(latent_ids(n), np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32))


def test_ids_have_seven_digits_and_mirror_images_name_what_changed():
    assert latent_ids(2, start=122).tolist() == ["g0000122", "g0000123"]
    assert mirror_ids(latent_ids(1), ("Male", "Young")).tolist() == ["g0000000-Male+Young"]


def test_latents_come_back_to_the_bit_as_lists_of_fixed_size(tmp_path):
    made = table()
    write_latents(tmp_path / "l.parquet", made)
    back = read_latents(tmp_path / "l.parquet", width=5)
    assert np.array_equal(back.ids, made.ids)
    assert np.array_equal(back.values, made.values)
    assert back.values.dtype == np.float32
    assert pa.types.is_fixed_size_list(parquet.read_schema(tmp_path / "l.parquet").field("z").type)


def test_columns_come_back_by_name(tmp_path):
    made = ByLatent(latent_ids(3), np.array([[0, 1], [1, 1], [0, 0]], dtype=np.uint8), ("Hat", "Male"))
    write_columns(tmp_path / "l.parquet", made)
    back = read_columns(tmp_path / "l.parquet")
    assert back.names == ("Hat", "Male")
    assert np.array_equal(back.column("Male"), [1, 1, 0])
    assert back.values.dtype == np.uint8


def test_rows_are_found_by_id_in_any_order():
    made = table(50)
    order = np.random.default_rng(1).permutation(50)[:20]
    shuffled = ByLatent(made.ids[::-1], made.values[::-1])
    assert np.array_equal(shuffled.of(made.ids[order]), made.values[order])
    # The control: by position it would be others.
    assert not np.array_equal(shuffled.values[order], made.values[order])


def test_a_mark_is_of_ids_and_values():
    made = table()
    assert table().mark() == made.mark()
    assert ByLatent(made.ids, np.asfortranarray(made.values)).mark() == made.mark()
    moved = made.values.copy()
    moved[6, 4] = np.nextafter(moved[6, 4], np.float32(9))
    others = [
        ByLatent(latent_ids(7, start=1), made.values),
        ByLatent(made.ids, moved),
        ByLatent(made.ids, made.values[::-1]),
        ByLatent(made.ids, made.values.astype(np.float64)),
        table(0),
    ]
    assert len({made.mark(), *(other.mark() for other in others)}) == 6


def test_a_file_of_ones_own_is_read_by_kind_of_column(tmp_path):
    values = np.arange(6, dtype=np.float64).reshape(3, 2)
    columns = {"image": ["a.jpg", "b.jpg", "c.jpg"], "w": values.tolist()}
    parquet.write_table(pa.table(columns), tmp_path / "own.parquet")
    back = read_latents(tmp_path / "own.parquet", width=2)
    assert back.ids.tolist() == ["a.jpg", "b.jpg", "c.jpg"]
    assert np.array_equal(back.values, values.astype(np.float32))


def one_line(error):
    assert "\n" not in str(error.value)
    return str(error.value)


def test_missing_ids_are_counted_and_named():
    made = table(5)
    with pytest.raises(JoinError, match=r"found none for 2 latents \(ids g0000005, g0000006\)") as error:
        made.of(latent_ids(7))
    one_line(error)
    with pytest.raises(JoinError, match="found none for 1"):
        ByLatent(latent_ids(0), np.empty((0, 3))).of(latent_ids(1))


def test_an_id_that_is_there_twice_is_refused():
    with pytest.raises(JoinError, match=r"expected each id once, found 1 repeated id \(id g0000001\)") as error:
        ByLatent(latent_ids(3)[[0, 1, 1]], np.zeros((3, 2)))
    one_line(error)


def test_rows_and_ids_of_other_numbers_are_refused():
    with pytest.raises(InputError, match="expected a row for each of 3 ids, found"):
        ByLatent(latent_ids(3), np.zeros((4, 2)))


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"image": ["a"], "w": [[0.0, 1.0, 2.0]]}, "expected latents of 2 numbers, the width of a GAN, found 3"),
        ({"image": ["a", "b"], "w": [[0.0, 1.0], [2.0]]}, "expected latents of 2 numbers, .* found 1 and 2"),
        ({"image": ["a"], "w": [[0.0, float("nan")]]}, r"expected finite numbers, found others \(id a\)"),
        ({"image": ["a", "a"], "w": [[0.0, 1.0]] * 2}, "expected each id once"),
        ({"image": ["a"], "w": [1.0]}, "expected a column of ids"),
    ],
)
def test_latents_that_do_not_fit_are_one_line(tmp_path, columns, expected):
    parquet.write_table(pa.table(columns), tmp_path / "own.parquet")
    with pytest.raises(InputError, match=expected) as error:
        read_latents(tmp_path / "own.parquet", width=2, generator="a GAN")
    assert str(tmp_path / "own.parquet") in one_line(error)


def test_a_file_that_is_not_there_or_damaged_is_one_line(tmp_path):
    with pytest.raises(InputError, match="expected a Parquet file, found nothing of this name"):
        read_latents(tmp_path / "no.parquet")
    (tmp_path / "no.parquet").write_bytes(b"PAR1 and nothing")
    with pytest.raises(InputError, match="expected a Parquet file, found") as error:
        read_columns(tmp_path / "no.parquet")
    one_line(error)
