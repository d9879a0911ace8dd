"""A file of splits: a table of image ids and the split that each belongs to."""

from pathlib import Path

from steelyard.base.errors import InputError
from steelyard.tables.files import read_file
from steelyard.tables.messages import complaint, listed
from steelyard.tables.roles import SPLIT_COLUMN, choose_id, read_ids, read_splits


def read_split_file(path: Path) -> dict[str, str]:
    """Image id to `train`, `val` or `test`.

    Args:
        path: CSV, Parquet or NPZ with a column `image` or `id` and a column `split`; further columns are ignored.

    Raises:
        InputError: it cannot be read, a column is missing, an id is empty or there twice, a split is unknown.
    """
    raw = read_file(path)
    ids_from = choose_id(raw, None, {SPLIT_COLUMN})
    if ids_from is None or SPLIT_COLUMN not in raw.columns:
        expected = "a column 'image' or 'id' and a column 'split'"
        raise InputError(complaint(str(path), "", expected=expected, found=listed(raw.names), do="rename the columns"))
    ids = read_ids(raw, ids_from)
    splits = read_splits(raw, SPLIT_COLUMN, ids)
    assert splits is not None
    return dict(zip(ids.tolist(), splits.tolist(), strict=True))
