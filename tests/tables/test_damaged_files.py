"""Files with damaged bytes: each either reads as a sound table or is refused in one line, whatever a library raises."""

import io
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
from test_potentials import LAYOUT, multi

from steelyard.base.errors import InputError
from steelyard.tables import read_labels, read_potentials, write_potentials


def potentials_read(path: Path) -> None:
    table = read_potentials(path)
    assert np.isfinite(table.potentials).all()
    assert table.group_scores is None or np.isfinite(table.group_scores).all()
    assert len(table.ids) == len(table.potentials)


def labels_read(path: Path) -> None:
    table = read_labels(path, protected="sex")
    assert len(table.ids) == len(table.groups) == len(table.targets)


def potentials_file(extension: str, folder: Path) -> Path:
    path = folder / f"p.{extension}"
    write_potentials(path, multi())
    return path


def labels_file(extension: str, folder: Path) -> Path:
    path = folder / f"l.{extension}"
    columns = {
        "image": np.array(["a", "bé", "c"]),
        "sex": np.array(["m", "w", "m"]),
        "cat": np.array([0, 1, 1]),
        "dog": np.array([1, 0, 0]),
    }
    if extension == "npz":
        np.savez(path, **columns)
    else:
        parquet.write_table(pa.table({name: pa.array(list(values)) for name, values in columns.items()}), path)
    return path


def refusal(read, path: Path) -> str:
    """What is said of the file; empty where it is read."""
    try:
        read(path)
    except InputError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("extension", ["npz", "parquet"])
@pytest.mark.parametrize(("made", "read"), [(potentials_file, potentials_read), (labels_file, labels_read)])
def test_a_damaged_byte_is_read_or_refused_in_one_line(made, read, extension, tmp_path) -> None:
    path = made(extension, tmp_path)
    read(path)
    content, rng = path.read_bytes(), np.random.default_rng(0)
    seen: Counter[str] = Counter()
    for place in range(len(content)):
        changed = bytearray(content)
        # One bit; or the top one, which makes text that is not UTF-8 and lengths that are below 0.
        changed[place] ^= 1 << int(rng.integers(8)) if place % 2 else 0x80
        path.write_bytes(changed)
        message = refusal(read, path)
        seen["refused" if message else "read"] += 1
        assert "\n" not in message
        assert message.startswith(f"{path}: " if message else "")
    assert min(seen["read"], seen["refused"]) > 100, "the control: some damage shows, some does not"


def npy(header: bytes) -> bytes:
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header


@pytest.mark.parametrize(
    "member", [npy(b"{'descr': '<f8', 'fortran_order': False, 'shape': (3,\n"), npy(b"{" * 40 + b"\n"), b"no array"]
)
def test_an_array_whose_header_is_no_header(member: bytes, tmp_path: Path) -> None:
    import zipfile

    path = potentials_file("npz", tmp_path)
    whole = io.BytesIO(path.read_bytes())
    with zipfile.ZipFile(whole) as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            new.writestr(name, member if name == "ids.npy" else old.read(name))
    with pytest.raises(InputError, match=r"array 'ids': expected .* write it again with numpy\.savez") as caught:
        read_potentials(path)
    assert "\n" not in str(caught.value)


def not_text() -> pa.Array:
    """Three strings, the second of which is not UTF-8."""
    offsets = pa.py_buffer(np.array([0, 1, 2, 3], dtype=np.int32).tobytes())
    return pa.Array.from_buffers(pa.string(), 3, [None, offsets, pa.py_buffer(b"a\xffc")])


def test_ids_that_are_not_utf_8_are_named(tmp_path: Path) -> None:
    path = potentials_file("parquet", tmp_path)
    table = parquet.read_table(path)
    parquet.write_table(table.set_column(0, "image", not_text()), path)
    said = f"{path}: column 'image': expected sound values, and text in UTF-8, found "
    with pytest.raises(InputError) as caught:
        read_potentials(path)
    assert str(caught.value).startswith(said)
    labels = tmp_path / "l.parquet"
    parquet.write_table(pa.table({"image": not_text(), "sex": ["m", "w", "m"], "cat": [0, 1, 0]}), labels)
    with pytest.raises(InputError, match="column 'image': expected sound values, and text in UTF-8"):
        read_labels(labels, protected="sex")


def test_a_column_that_is_there_twice_is_named(tmp_path: Path) -> None:
    path = tmp_path / "p.parquet"
    ids, lists = pa.array(["a", "b"]), pa.array([[0.0] * 12] * 2)
    twice = pa.Table.from_arrays([ids, lists, lists], names=["image", "potentials", "potentials"])
    parquet.write_table(twice.replace_schema_metadata({"steelyard.potentials": json.dumps(LAYOUT)}), path)
    with pytest.raises(InputError) as caught:
        read_potentials(path)
    expected = (
        "header: expected a different name for each column, found 'potentials' more than once; rename the columns"
    )
    assert str(caught.value) == f"{path}: {expected}"
