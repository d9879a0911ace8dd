"""Small tables, and the ways in which one can be handed over."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa

from steelyard.tables import LabelTable

Columns = dict[str, list[Any]]


def labels_columns() -> Columns:
    return {
        "image": ["b.jpg", "007", "c,d.jpg", 'e"f.jpg', "ü.jpg"],
        "split": ["train", "DEV", "test", "valid", "Train"],
        "group": ["woman", "man", "other", "man", "woman"],
        "verb": ["run", "eat", "run", "swim", "eat"],
        "cat": [1, 0, 0, 1, 1],
        "dog": [0, 0, 1, 1, 0],
        "age": [31, 7, 64, 2, 31],
    }


def predictions_columns() -> Columns:
    return {
        "note": ["x", "y", "z", "x", "y"],
        "dog": [0.25, 1.0, 0.1, 1e-300, 0.75],
        "image": ["ü.jpg", "c,d.jpg", "b.jpg", "007", 'e"f.jpg'],
        "cat": [0.0, 0.5, 1 / 3, 0.9999999999999999, 0.125],
        "seen_as": ["man", "man", "woman", "other", "other"],
    }


def _csv(folder: Path, columns: Columns) -> Any:
    pd.DataFrame(columns).to_csv(folder / "table.csv", index=False)
    return folder / "table.csv"


def _parquet(folder: Path, columns: Columns) -> Any:
    pl.DataFrame(columns).write_parquet(folder / "table.parquet")
    return str(folder / "table.parquet")


def _npz(folder: Path, columns: Columns) -> Any:
    np.savez(folder / "table.npz", **{name: np.array(values) for name, values in columns.items()})
    return folder / "table.npz"


HANDOVERS: dict[str, Callable[[Path, Columns], Any]] = {
    "csv": _csv,
    "parquet": _parquet,
    "npz": _npz,
    "pandas": lambda folder, columns: pd.DataFrame(columns),
    "pandas categories": lambda folder, columns: pd.DataFrame(columns).astype({"image": "category"}),
    "pandas index": lambda folder, columns: pd.DataFrame(columns).set_index("image"),
    "polars": lambda folder, columns: pl.DataFrame(columns),
    "polars lazy": lambda folder, columns: pl.LazyFrame(columns),
    "pyarrow": lambda folder, columns: pa.table(columns),
}


def small_labels(**fields: Any) -> LabelTable:
    """Three images, two groups, two 0/1 targets; any field replaced."""
    table: dict[str, Any] = {
        "ids": np.array(["x", "y", "z"]),
        "groups": np.array([0, 1, 0]),
        "group_names": ("man", "woman"),
        "targets": np.array([[1, 0], [0, 0], [1, 1]], dtype=np.uint8),
        "target_names": ("cat", "dog"),
        "kind": "multi",
        "source": "labels.csv",
        "id_column": "image",
    }
    return LabelTable(**(table | fields))
