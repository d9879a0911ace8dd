"""Each kind of bad input gives one line that says where, what was expected, what was found and what to do."""

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
from table_samples import small_labels

from steelyard.base.errors import InputError
from steelyard.tables import LabelTable, read_labels, read_predictions

GOOD = "image,group,cat\nx,man,1\ny,woman,0\nz,man,1\n"
Make = Callable[[Path], Any]


def file(name: str, content: str | bytes) -> Make:
    """Writes `content` to the file `name` and returns its path."""

    def make(folder: Path) -> Path:
        (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
        return folder / name

    return make


def csv(content: str | bytes) -> Make:
    return file("t.csv", content)


def damaged_parquet(folder: Path) -> Path:
    path = folder / "t.parquet"
    parquet.write_table(pa.table({"image": [f"image {i}" for i in range(5000)]}), path)
    return path


def truncated_parquet(folder: Path) -> Path:
    path = damaged_parquet(folder)
    path.write_bytes(path.read_bytes()[:-200])
    return path


def npz(**arrays: Any) -> Make:
    def make(folder: Path) -> Path:
        np.savez(folder / "t.npz", **arrays)
        return folder / "t.npz"

    return make


def truncated_npz(folder: Path) -> Path:
    path = npz(image=np.arange(100))(folder)
    path.write_bytes(path.read_bytes()[:200])
    return path


def flipped_npz(folder: Path) -> Path:
    path = npz(image=np.arange(100))(folder)
    content = bytearray(path.read_bytes())
    content[400] ^= 255
    path.write_bytes(content)
    return path


def foreign_npz(folder: Path) -> Path:
    with zipfile.ZipFile(folder / "t.npz", "w") as archive:
        archive.writestr("readme.md", "hello")
    return folder / "t.npz"


def a_folder(folder: Path) -> Path:
    (folder / "t.csv").mkdir()
    return folder / "t.csv"


def nothing(folder: Path) -> str:
    return str(folder / "t.csv")


def listing(folder: Path) -> dict[str, Any]:
    (folder / "list.txt").write_text("cat\ncow\n")
    return {"targets": f"@{folder / 'list.txt'}"}


Options = dict[str, Any] | Callable[[Path], dict[str, Any]]
FILES: dict[str, tuple[Make, Options, str]] = {
    "missing file": (nothing, {}, "{t}.csv: expected a file, found nothing of this name; correct the path"),
    "folder": (a_folder, {}, "{t}.csv: expected a file, found a folder; name a file in it"),
    "unknown extension": (
        file("t.xlsx", "PK"),
        {},
        "{t}.xlsx: expected .csv, .parquet, .npz or CelebA's .txt, found the extension '.xlsx'; convert or rename "
        "the file",
    ),
    "no extension": (
        file("t", GOOD),
        {},
        "{t}: expected .csv, .parquet, .npz or CelebA's .txt, found no extension; convert or rename the file",
    ),
    "empty file": (
        csv(""),
        {},
        "{t}.csv: expected a table, found an empty file (0 bytes); write the table again",
    ),
    "empty lines": (
        csv("\n\n"),
        {},
        "{t}.csv: expected a header of column names, found empty lines; write the table again",
    ),
    "header only": (
        csv("image,group,cat\n"),
        {},
        "{t}.csv: expected rows, found no row; check how the table was written, it is empty",
    ),
    "ragged rows": (
        csv(GOOD + "u,man\nv,man,1,1\n"),
        {},
        "{t}.csv: expected 3 cells in each row, found 2 rows with another number: the row 'u,man' has 2; check "
        "commas, quotes and missing cells",
    ),
    "undecodable bytes": (
        csv(GOOD.encode() + b"\xfc,man,1\n"),
        {},
        "{t}.csv: expected text in UTF-8, found the byte 0xfc in line 5; save the file as UTF-8",
    ),
    "undecodable header": (
        csv(b"image\xff," + GOOD.encode()),
        {},
        "{t}.csv: expected text in UTF-8, found the byte 0xff in line 1; save the file as UTF-8",
    ),
    "duplicated column names": (
        csv("image,group,cat,cat\nx,man,1,0\n"),
        {},
        "{t}.csv: header: expected a different name for each column, found 'cat' more than once; rename the columns",
    ),
    "semicolons": (
        csv(GOOD.replace(",", ";")),
        {},
        "{t}.csv: column 'group': expected this column, named by --protected, found 1 column: 'image;group;cat'; "
        "correct --protected or the file's header",
    ),
    "truncated Parquet": (
        truncated_parquet,
        {},
        "{t}.parquet: expected a Parquet file, PAR1 at both ends, found other bytes; the file is truncated or "
        "damaged, write it again",
    ),
    "tiny Parquet": (
        file("t.parquet", b"PA"),
        {},
        "{t}.parquet: expected a Parquet file, PAR1 at both ends, found other bytes; the file is truncated or "
        "damaged, write it again",
    ),
    "truncated NPZ": (
        truncated_npz,
        {},
        "{t}.npz: expected an NPZ archive, found something else, or a part of one; write it again with numpy.savez",
    ),
    "damaged NPZ": (
        flipped_npz,
        {},
        "{t}.npz: array 'image': expected a sound array, found a damaged one; write it again with numpy.savez",
    ),
    "objects in NPZ": (
        npz(image=np.array(["x", None], dtype=object)),
        {},
        "{t}.npz: array 'image': expected numbers or text, found Python objects or a damaged array; write it again "
        "with numpy.savez",
    ),
    "another archive": (
        foreign_npz,
        {},
        "{t}.npz: array 'readme.md': expected an array, found another kind of file; write it again with numpy.savez",
    ),
    "uneven NPZ": (
        npz(image=["x", "y"], group=["man"]),
        {},
        "{t}.npz: column 'group': expected 2 rows as in 'image', found 1; write columns of equal length",
    ),
    "matrix in NPZ": (
        npz(image=["x", "y"], group=np.eye(2)),
        {},
        "{t}.npz: array 'group': expected one value for each row, [n] (or targets or scores [n, t] with target_names "
        "[t]), found the shape (2, 2); write one array a column",
    ),
    "unnamed NPZ targets": (
        npz(image=["x", "y"], targets=np.eye(2), target_names=["cat"]),
        {},
        "{t}.npz: array 'target_names': expected one name for each of the 2 columns of 'targets', found the shape "
        "(1,); write one name a column",
    ),
    "no attribute list": (
        file("t.txt", GOOD),
        {},
        "{t}.txt: expected CelebA's layout (the number of images, then the attributes' names), found the first line "
        "'image,group,cat'; name a .csv or .parquet",
    ),
    "truncated attribute list": (
        file("t.txt", "3\nMale Bald\n1.jpg 1 -1\n2.jpg -1 1\n"),
        {},
        "{t}.txt: expected 3 images, as the first line says, found 2; the file may be truncated",
    ),
    "ragged attribute list": (
        file("t.txt", "2\nMale Bald\n1.jpg 1 -1\n2.jpg -1\n"),
        {},
        "{t}.txt: expected an id and 2 values a line, found another number for '2.jpg'; the file may be truncated",
    ),
    "foreign attribute value": (
        file("t.txt", "2\nMale Bald\n1.jpg 1 -1\n2.jpg -1 0\n"),
        {},
        "{t}.txt: column 'Bald': expected 1 or -1, found '0' (id 2.jpg); correct the cell",
    ),
    "no table": (
        lambda folder: [1, 2],
        {},
        "table: expected a path or a data frame (pandas, polars, pyarrow), found the type list; pass a path or make "
        "a data frame of it",
    ),
    "empty frame": (
        lambda folder: pl.DataFrame(),
        {},
        "polars data frame: expected rows, found no column; check how the table was written, it is empty",
    ),
    "levels in the index": (
        lambda folder: pd.DataFrame({"a": [1], "b": [2], "c": [3]}).set_index(["a", "b"]),
        {},
        "pandas data frame: index: expected one level, found an index of 2 levels; call reset_index() first",
    ),
}
COLUMNS: dict[str, tuple[Make, Options, str]] = {
    "protected column missing": (
        csv(GOOD.replace("group", "Group")),
        {},
        "{t}.csv: column 'group': expected this column, named by --protected, found 3 columns: 'image', 'Group', 'cat' "
        "(closest: 'Group'); correct --protected or the file's header",
    ),
    "id column missing": (
        csv(GOOD),
        {"id_column": "imag"},
        "{t}.csv: column 'imag': expected this column, named by --id, found 3 columns: 'image', 'group', 'cat' "
        "(closest: 'image'); correct --id or the file's header",
    ),
    "split column missing": (
        csv(GOOD),
        {"split_column": "fold"},
        "{t}.csv: column 'fold': expected this column, named by --split-column, found 3 columns: 'image', 'group', "
        "'cat'; correct --split-column or the file's header",
    ),
    "target missing": (
        csv(GOOD),
        {"target": "verb"},
        "{t}.csv: column 'verb': expected this column, named by --target, found 3 columns: 'image', 'group', 'cat'; "
        "correct --target or the file's header",
    ),
    "glob without a match": (
        csv(GOOD),
        {"targets": "cat,dog*"},
        "{t}.csv: column 'dog*': expected this column, named by --targets, found 3 columns: 'image', 'group', 'cat'; "
        "correct --targets or the file's header",
    ),
    "listed target missing": (
        csv(GOOD),
        listing,
        "{t}.csv: column 'cow': expected this column, named by --targets, found 3 columns: 'image', 'group', 'cat'; "
        "correct --targets or the file's header",
    ),
    "list of targets missing": (
        csv(GOOD),
        lambda folder: {"targets": f"@{folder / 'list.txt'}"},
        "{folder}/list.txt: expected a list of targets, found No such file or directory; correct the path after @ in "
        "--targets",
    ),
    "target and targets": (
        csv(GOOD),
        {"target": "cat", "targets": "cat"},
        "{t}.csv: expected --target or --targets, found 'cat' and 'cat'; drop one: --target is for one categorical "
        "column, --targets for 0/1 columns",
    ),
    "one column, two roles": (
        csv(GOOD),
        {"target": "group"},
        "{t}.csv: column 'group': expected one role for each column, found --protected and --target; name another "
        "column for one of them",
    ),
    "protected column among the targets": (
        csv(GOOD),
        {"targets": ["cat", "group"]},
        "{t}.csv: column 'group': expected one role for each column, found --targets and the id, split or protected "
        "column; leave it out of --targets",
    ),
    "no target at all": (
        csv("image,group,verb\nx,man,run\ny,woman,eat\n"),
        {},
        "{t}.csv: expected 0/1 columns to take as targets, found none among 'verb'; name a categorical column with "
        "--target, or 0/1 columns with --targets",
    ),
    "values other than 0 and 1": (
        csv("image,group,cat\nx,man,2\ny,woman,0\nz,man,-1\nu,man,\nv,man,yes\n"),
        {"targets": ["cat"]},
        "{t}.csv: column 'cat': expected 0 or 1 in each row, found '2', '-1', nothing and 1 more value in 4 rows "
        "(ids x, z, u and 1 more); correct these cells or leave the column out of --targets",
    ),
    "gap in a 0/1 column": (
        csv(GOOD + "u,man,\n"),
        {},
        "{t}.csv: column 'cat': expected 0 or 1 in each row, found nothing in 1 row (id u); correct these cells or "
        "name the targets with --targets",
    ),
    "NaN in a 0/1 column": (
        lambda folder: pd.DataFrame({"group": ["a", "b"], "cat": [1, float("nan")]}),
        {},
        "pandas data frame: column 'cat': expected 0 or 1 in each row, found nothing in 1 row (id 1); correct these "
        "cells or name the targets with --targets",
    ),
    "empty group": (
        csv(GOOD + "u,,1\nv,NaN,1\n"),
        {},
        "{t}.csv: column 'group': expected a group in each row, found 2 empty cells (ids u, v); fill these cells or "
        "remove the rows",
    ),
    "empty category": (
        csv("image,group,verb\nx,man,run\ny,woman,\n"),
        {"target": "verb"},
        "{t}.csv: column 'verb': expected a category in each row, found 1 empty cell (id y); fill these cells or "
        "remove the rows",
    ),
    "one group": (
        csv("image,group,cat\nx,man,0\ny,man,1\n"),
        {},
        "{t}.csv: column 'group': expected two or more groups, found only 'man' in 2 rows; name another column with "
        "--protected",
    ),
    "lists in a column": (
        lambda folder: pa.table({"group": [["a"], ["b"]], "cat": [0, 1]}),
        {},
        "pyarrow data frame: column 'group': expected one value in each row, found the type list<item: string>; "
        "write the column as text or numbers",
    ),
    "duplicate ids": (
        csv(GOOD + "y,man,1\nx,man,1\nx,man,1\n"),
        {},
        "{t}.csv: column 'image': expected each id once, found 2 repeated ids (ids x, y); keep one row for each "
        "image or name another column with --id",
    ),
    "empty ids": (
        csv(GOOD + ",man,1\n"),
        {},
        "{t}.csv: column 'image': expected an id in each row, found 1 empty id (data row 4); fill these ids or name "
        "another column with --id",
    ),
    "unknown split": (
        csv("image,split,group,cat\nx,train,man,1\ny,holdout,woman,0\n"),
        {},
        "{t}.csv: column 'split': expected train, val (dev, valid, validation) or test, found 'holdout' (id y); "
        "rename these splits or name another column with --split-column",
    ),
    "line breaks in names": (
        csv('"im\nage",group,cat\n"a\nb",man,1\n"a\nb",woman,0\n'),
        {"id_column": "im\nage"},
        "{t}.csv: column 'im\\nage': expected each id once, found 1 repeated id (id a\\nb); keep one row for each "
        "image or name another column with --id",
    ),
}


def line_of(call: Callable[[], Any]) -> str:
    with pytest.raises(InputError) as caught:
        call()
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


@pytest.mark.parametrize("fault", [*FILES, *COLUMNS])
def test_bad_labels(fault: str, tmp_path: Path) -> None:
    make, options, line = (FILES | COLUMNS)[fault]
    source = make(tmp_path)
    given = options(tmp_path) if callable(options) else options
    found = line_of(lambda: read_labels(source, **({"protected": "group"} | given)))
    assert found == line.format(t=tmp_path / "t", folder=tmp_path)


def test_the_good_table_raises_nothing(tmp_path: Path) -> None:
    assert len(read_labels(csv(GOOD)(tmp_path), protected="group")) == 3


def test_parquet_damaged_within(tmp_path: Path) -> None:
    path = damaged_parquet(tmp_path)
    content = bytearray(path.read_bytes())
    content[500:4000] = bytes(3500)
    path.write_bytes(content)
    line = line_of(lambda: read_labels(path, protected="group"))
    assert line.startswith(f"{path}: expected a sound Parquet file, found ")
    assert line.endswith("; the file is truncated or damaged, write it again")


def test_unclosed_quote(tmp_path: Path) -> None:
    line = line_of(lambda: read_labels(csv('image,"group,cat\nx,man,1\n')(tmp_path), protected="group"))
    assert line.startswith(f"{tmp_path / 't.csv'}: expected comma-separated rows, found ")


def test_unreadable_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object, **options: object) -> None:
        raise PermissionError(13, "Permission denied")

    path = csv(GOOD)(tmp_path)
    monkeypatch.setattr(Path, "open", refuse)
    assert line_of(lambda: read_labels(path, protected="group")) == (
        f"{path}: expected a readable file, found Permission denied; check the file or write it again"
    )


SINGLE = small_labels(targets=np.array([0, 1, 0]), target_names=("eat", "run"), kind="single", target_column="verb")
SCORES = "image,cat,dog\nx,0.5,1\ny,0,0\nz,1,0.25\n"
LOGITS = {"kind": "logits"}
PREDICTIONS: dict[str, tuple[Make, dict[str, Any], LabelTable, str]] = {
    "no kind": (
        csv(SCORES),
        {},
        small_labels(),
        "{t}.csv: kind: expected logits, probabilities or decisions, found nothing that says which; pass --kind "
        "logits|probabilities|decisions",
    ),
    "unknown kind": (
        csv(SCORES),
        {"kind": "logit"},
        small_labels(),
        "{t}.csv: kind: expected logits, probabilities or decisions, found 'logit'; pass --kind "
        "logits|probabilities|decisions",
    ),
    "kind against the metadata": (
        lambda folder: pa.table({"image": ["x"]}).replace_schema_metadata({"steelyard.kind": "decisions"}),
        LOGITS,
        small_labels(),
        "pyarrow data frame: kind: expected one kind of score, found logits in --kind and decisions in the file's "
        "metadata; drop --kind, or write the file again with the right one",
    ),
    "target without scores": (
        csv(SCORES.replace("dog", "Dog")),
        LOGITS,
        small_labels(),
        "{t}.csv: expected a score column for each of the 2 targets of labels.csv, found none for 'dog' (closest: "
        "'Dog'); add these columns, called like the targets",
    ),
    "word for a score": (
        csv(SCORES.replace("0.25", "high")),
        LOGITS,
        small_labels(),
        "{t}.csv: column 'dog': expected a number, found 'high' in 1 row (id z); pass numbers only",
    ),
    "NaN score": (
        csv(SCORES.replace("0.5", "nan").replace("0.25", "")),
        LOGITS,
        small_labels(),
        "{t}.csv: column 'cat': expected a finite number, found 'nan' in 1 row (id x), and so in 1 other column; drop "
        "the images without a score from both tables",
    ),
    "empty score": (
        csv(SCORES.replace("0.5", "")),
        LOGITS,
        small_labels(),
        "{t}.csv: column 'cat': expected a finite number, found nothing in 1 row (id x); drop the images without a "
        "score from both tables",
    ),
    "infinite score": (
        lambda folder: pl.DataFrame({"image": ["x", "y"], "cat": [0.0, 1.0], "dog": [0.0, float("-inf")]}),
        LOGITS,
        small_labels(),
        "polars data frame: column 'dog': expected a finite number, found '-inf' in 1 row (id y); drop the images "
        "without a score from both tables",
    ),
    "probability above 1": (
        csv(SCORES.replace("0.5", "1.5").replace("y,0", "y,-3")),
        {"kind": "probabilities"},
        small_labels(),
        "{t}.csv: column 'cat': expected a probability in [0, 1], found '1.5' in 2 rows (ids x, y); pass --kind "
        "logits if these are logits",
    ),
    "decision of one half": (
        csv(SCORES),
        {"kind": "decisions"},
        small_labels(),
        "{t}.csv: column 'cat': expected a decision, 0 or 1, found '0.5' in 1 row (id x), and so in 1 other column; "
        "pass --kind probabilities or logits if these are scores",
    ),
    "two decisions or none": (
        csv("image,eat,run\nx,1,1\ny,0,1\nz,0,0\n"),
        {"kind": "decisions"},
        SINGLE,
        "{t}.csv: expected exactly one 1 in each row of single-label decisions, found 0 or 2 in 2 rows (ids x, z); "
        "decide for one category, or pass the scores",
    ),
    "unknown category decided": (
        csv("image,verb\nx,eat\ny,ran\nz,run\n"),
        {"kind": "decisions"},
        SINGLE,
        "{t}.csv: column 'verb': expected the 2 categories of labels.csv, found 'ran' (id y) (closest: 'run'); write "
        "the categories as the labels do",
    ),
    "unknown predicted group": (
        csv("image,cat,dog,as\nx,0,0,man\ny,0,0,Woman\n"),
        {"kind": "logits", "predicted_protected": "as"},
        small_labels(),
        "{t}.csv: column 'as': expected the groups of labels.csv: 'man', 'woman', found 'Woman' (id y); write the "
        "groups as the labels do",
    ),
    "predicted group missing": (
        csv(SCORES),
        {"kind": "logits", "predicted_protected": "as"},
        small_labels(),
        "{t}.csv: column 'as': expected this column, named by --predicted-protected, found 3 columns: 'image', 'cat', "
        "'dog'; correct --predicted-protected or the file's header",
    ),
    "no ids": (
        csv(SCORES.replace("image", "picture")),
        LOGITS,
        small_labels(),
        "{t}.csv: expected a column of ids ('image', 'id', 'path'), found 'picture', 'cat', 'dog'; name the column of "
        "ids with --predictions-id",
    ),
    "ids in a column of scores": (
        csv(SCORES),
        {"kind": "logits", "id_column": "cat"},
        small_labels(),
        "{t}.csv: column 'cat': expected scores only, found the target 'cat' and --id; rename the column that --id "
        "means, and name it there",
    ),
    "repeated ids": (
        csv(SCORES + "x,0,0\n"),
        LOGITS,
        small_labels(),
        "{t}.csv: column 'image': expected each id once, found 1 repeated id (id x); keep one row for each image or "
        "name another column with --id",
    ),
    "repeated columns": (
        csv("image,image,dog\nx,1,1\n"),
        LOGITS,
        small_labels(),
        "{t}.csv: header: expected a different name for each column, found 'image' more than once; rename the columns",
    ),
}


@pytest.mark.parametrize("fault", PREDICTIONS)
def test_bad_predictions(fault: str, tmp_path: Path) -> None:
    make, options, labels, line = PREDICTIONS[fault]
    source = make(tmp_path)
    found = line_of(lambda: read_predictions(source, labels=labels, **options))
    assert found == line.format(t=tmp_path / "t")
