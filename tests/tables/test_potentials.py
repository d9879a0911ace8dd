"""Potentials survive a file, and every fault of a file is one line."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from steelyard.base.errors import InputError
from steelyard.tables import PotentialTable, read_potentials, write_potentials

GROUPS, TARGETS = ("man", "woman"), ("cat", "dog", "kite")
LAYOUT = {"kind": "multi", "groups": ["man", "woman"], "targets": ["cat", "dog", "kite"], "shape": [2, 3, 2]}


def multi(dtype: type = np.float64) -> PotentialTable:
    rng = np.random.default_rng(0)
    return PotentialTable(
        ids=np.array(["007", "b,c", "d'été"]),
        potentials=rng.normal(size=(3, 2, 3, 2)).astype(dtype),
        group_names=GROUPS,
        target_names=TARGETS,
        kind="multi",
        group_scores=rng.normal(size=(3, 2)).astype(dtype),
    )


def single() -> PotentialTable:
    scores = np.random.default_rng(1).normal(size=(4, 3, 2))
    return PotentialTable(
        ids=np.array(list("abcd")), potentials=scores, group_names=GROUPS, target_names=TARGETS, kind="single"
    )


@pytest.mark.parametrize("extension", ["npz", "parquet"])
@pytest.mark.parametrize("table", [multi(), multi(np.float32), single()])
def test_round_trip(table: PotentialTable, extension: str, tmp_path: Path) -> None:
    path = tmp_path / f"p.{extension}"
    write_potentials(path, table)
    back = read_potentials(path)
    for name in ("group_names", "target_names", "kind"):
        assert getattr(back, name) == getattr(table, name)
    assert back.ids.tolist() == table.ids.tolist()
    assert back.potentials.dtype == table.potentials.dtype
    assert np.array_equal(back.potentials, table.potentials)
    if table.group_scores is None:
        assert back.group_scores is None
    else:
        assert back.group_scores is not None
        assert np.array_equal(back.group_scores, table.group_scores)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_what_another_tool_writes_is_read(tmp_path: Path) -> None:
    """Lists of any kind, ids that are numbers, whole numbers as potentials."""
    columns = {"id": [7, 8], "group_scores": [[1, 2], [3, 4]], "potentials": [list(range(12)), list(range(12, 24))]}
    table = pa.table(columns).replace_schema_metadata({"steelyard.potentials": json.dumps(LAYOUT)})
    parquet.write_table(table, tmp_path / "p.parquet")
    back = read_potentials(tmp_path / "p.parquet")
    assert back.ids.tolist() == ["7", "8"]
    assert back.potentials[1, 1, 2, 0] == 12 + 1 * 6 + 2 * 2
    assert back.group_scores is not None
    assert back.group_scores.tolist() == [[1, 2], [3, 4]]


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "p.npz"
    write_potentials(path, multi())
    before = path.read_bytes()

    def run_out_of_space(file: Any, **arrays: object) -> None:
        file.write(b"PK half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", run_out_of_space)
    with pytest.raises(InputError, match="expected a writable path, found No space left on device"):
        write_potentials(path, single())
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def arrays() -> dict[str, Any]:
    table = multi()
    return {
        "ids": table.ids,
        "groups": np.array(GROUPS),
        "targets": np.array(TARGETS),
        "potentials": table.potentials.copy(),
        "group_scores": table.group_scores,
    }


def holed(value: float) -> Any:
    values = multi().potentials.copy()
    values[1, 0, 2, 1] = value
    return values


NPZ_FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "wrong shape": (
        {"potentials": np.zeros((3, 2, 2, 2))},
        "potentials: expected [n, k, t, 2] = (3, 2, 3, 2) for 3 ids, 2 groups and 3 targets, found the shape "
        "(3, 2, 2, 2); write the axes in this order, or correct the names",
    ),
    "wrong axes": (
        {"potentials": np.zeros((3, 2))},
        "potentials: expected [n, k, t, 2] (multi-label) or [n, v, k] (single-label), found the shape (3, 2); write "
        "the axes in this order",
    ),
    "rows differ": (
        {"group_scores": np.zeros((2, 2))},
        "group_scores: expected [n, k] = (3, 2) for 3 ids, 2 groups and 3 targets, found the shape (2, 2); write the "
        "axes in this order, or correct the names",
    ),
    "too few groups": (
        {"groups": np.array(["man"])},
        "groups: expected 2 names or more, found 1 name; name each of them once",
    ),
    "more groups than scores": (
        {"groups": np.array(["man", "woman", "other"])},
        "potentials: expected [n, k, t, 2] = (3, 3, 3, 2) for 3 ids, 3 groups and 3 targets, found the shape "
        "(3, 2, 3, 2); write the axes in this order, or correct the names",
    ),
    "repeated target": (
        {"targets": np.array(["cat", "dog", "cat"])},
        "targets: expected each name once, found 'cat' more than once; rename them",
    ),
    "NaN": (
        {"potentials": holed(np.nan)},
        "potentials: expected finite numbers, found nan at group 'man', target 'kite' present, in 1 row (id b,c); "
        "compute these rows again or leave these images out",
    ),
    "infinity": (
        {"group_scores": np.array([[0, 1], [0, -np.inf], [1, np.inf]])},
        "group_scores: expected finite numbers, found -inf at group 'woman', in 2 rows (ids b,c, d'été); compute "
        "these rows again or leave these images out",
    ),
    "repeated id": (
        {"ids": np.array(["a", "b", "a"])},
        "ids: expected each id once, found 1 repeated id (id a); keep one row for each image",
    ),
    "empty id": (
        {"ids": np.array(["a", "", "b"])},
        "ids: expected an id in each row, found 1 empty id (data row 2); fill these ids",
    ),
    "missing arrays": (
        {"groups": None, "targets": None},
        "expected the arrays 'ids', 'groups', 'targets', 'potentials', found 3 arrays: 'group_scores', 'ids', "
        "'potentials'; add 'groups', 'targets'",
    ),
    "no group scores": (
        {"group_scores": None},
        "group_scores: expected [n, k] beside multi-label potentials, found none; add the score of each group (zeros "
        "where the potentials hold it)",
    ),
    "group scores too many": (
        {"potentials": np.zeros((3, 3, 2))},
        "group_scores: expected none beside single-label potentials [n, v, k], found some; add them to the "
        "potentials and leave them out",
    ),
    "objects": (
        {"targets": np.array(["cat", "dog", None], dtype=object)},
        "array 'targets': expected numbers or text, found Python objects or a damaged array; write it again with "
        "numpy.savez",
    ),
    "text for numbers": (
        {"potentials": multi().potentials.astype(np.str_)},
        "potentials: expected real numbers, found the type <U32; write them as floating-point numbers",
    ),
    "numbers for names": (
        {"targets": np.array([0.5, 1.5, 2.5])},
        "array 'targets': expected text, found the type float64; write the names as text",
    ),
    "no rows": (
        {"ids": np.zeros(0, dtype=str), "potentials": np.zeros((0, 2, 3, 2)), "group_scores": np.zeros((0, 2))},
        "ids: expected rows, found no row; check how the file was written, it is empty",
    ),
}


@pytest.mark.parametrize("fault", NPZ_FAULTS)
def test_a_faulty_archive_is_named(fault: str, tmp_path: Path) -> None:
    changes, message = NPZ_FAULTS[fault]
    path = tmp_path / "p.npz"
    np.savez(path, **{name: array for name, array in {**arrays(), **changes}.items() if array is not None})
    with pytest.raises(InputError) as caught:
        read_potentials(path)
    place = f"{path}: "
    assert str(caught.value) == place + message
    assert "\n" not in str(caught.value)


def columns(**changes: object) -> pa.Table:
    table = multi()
    assert table.group_scores is not None
    potentials = [row.ravel().tolist() for row in table.potentials]
    made = {"image": table.ids.tolist(), "potentials": potentials, "group_scores": table.group_scores.tolist()}
    return pa.table({name: value for name, value in {**made, **changes}.items() if value is not None})


PARQUET_FAULTS: dict[str, tuple[Callable[[], pa.Table], object, str]] = {
    "lengths differ": (
        lambda: columns(potentials=[[0.0] * 12, [0.0] * 11, [0.0] * 12]),
        LAYOUT,
        "column 'potentials': expected 12 numbers in each row, [2, 3, 2], found 11 in 1 row (id b,c); write lists of "
        "this length",
    ),
    "a row without potentials": (
        lambda: columns(potentials=[[0.0] * 12, None, [0.0] * 12]),
        LAYOUT,
        "column 'potentials': expected 12 numbers in each row, [2, 3, 2], found none in 1 row (id b,c); write lists "
        "of this length",
    ),
    "a hole in a row": (
        lambda: columns(group_scores=[[0.0, 1.0], [0.0, 1.0], [None, 1.0]]),
        LAYOUT,
        "group_scores: expected finite numbers, found nan at group 'man', in 1 row (id d'été); compute these rows "
        "again or leave these images out",
    ),
    "no lists": (
        lambda: columns(potentials=[1.0, 2.0, 3.0]),
        LAYOUT,
        "column 'potentials': expected a list of 12 numbers in each row, found the type double; write flat lists",
    ),
    "no ids": (
        lambda: columns(image=None),
        LAYOUT,
        "expected a column of ids ('image', 'id', 'path') and the list column 'potentials', found 2 columns: "
        "'potentials', 'group_scores'; add what is missing",
    ),
    "no layout": (
        columns,
        None,
        "metadata 'steelyard.potentials': expected JSON with kind (single or multi), groups, targets and shape (of a "
        "row), found none; write the file with steelyard.tables.write_potentials",
    ),
    "counts do not fit": (
        columns,
        {**LAYOUT, "groups": ["man", "woman", "other"]},
        "metadata 'steelyard.potentials': expected the shape [3, 3, 2] of a row for 3 groups and 3 targets, found "
        "[2, 3, 2]; write the file with steelyard.tables.write_potentials",
    ),
    "unknown kind": (
        columns,
        {**LAYOUT, "kind": "both"},
        "metadata 'steelyard.potentials': expected single or multi in 'kind', found 'both'; write the file with "
        "steelyard.tables.write_potentials",
    ),
    "names that are none": (
        columns,
        {**LAYOUT, "targets": [1, 2, 3]},
        "metadata 'steelyard.potentials': expected a list of names in 'targets', found '[1, 2, 3]'; write the file "
        "with steelyard.tables.write_potentials",
    ),
}


@pytest.mark.parametrize("fault", PARQUET_FAULTS)
def test_a_faulty_parquet_file_is_named(fault: str, tmp_path: Path) -> None:
    make, layout, message = PARQUET_FAULTS[fault]
    path = tmp_path / "p.parquet"
    metadata = None if layout is None else {"steelyard.potentials": json.dumps(layout)}
    parquet.write_table(make().replace_schema_metadata(metadata), path)
    with pytest.raises(InputError) as caught:
        read_potentials(path)
    assert str(caught.value) == f"{path}: {message}"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("p.npz", b"", "expected potentials, found an empty file (0 bytes); write the file again"),
        ("p.npz", b"PK half", "expected an NPZ archive, found something else, or a part of one"),
        ("p.parquet", b"PAR1 half", "expected a sound Parquet file, found "),
        ("p.csv", b"a,b", "expected potentials in .npz or .parquet, found the extension '.csv'"),
    ],
)
def test_a_file_that_is_something_else(name: str, content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_potentials(tmp_path / name)
    assert str(caught.value).startswith(f"{tmp_path / name}: {message}")
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected a file, found nothing of this name; correct the path"):
        read_potentials(tmp_path / "p.npz")
    with pytest.raises(InputError, match=r"expected \.npz or \.parquet, found the extension '.csv'"):
        write_potentials(tmp_path / "p.csv", multi())
    with pytest.raises(InputError, match="check the folder and its free space"):
        write_potentials(tmp_path / "none" / "p.npz", multi())
