"""The tables' package costs nothing until it is used."""

import subprocess
import sys
from pathlib import Path

import steelyard.tables


def loaded_by(code: str) -> set[str]:
    script = f"import sys\n{code}\nprint(*{{name.partition('.')[0] for name in sys.modules}})"
    return set(
        subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    )


def test_heavy_libraries_are_imported_where_they_are_used(tmp_path: Path) -> None:
    heavy = {"pyarrow", "narwhals", "duckdb", "pandas", "polars", "torch"}
    assert "numpy" not in loaded_by("import steelyard.tables")
    code = "from steelyard.tables import " + ", ".join(steelyard.tables.__all__)
    assert not heavy & loaded_by(code)
    path = tmp_path / "labels.csv"
    path.write_text("image,group,cat\nx,a,1\ny,b,0\n")
    read = f"import steelyard.tables\nsteelyard.tables.read_labels({str(path)!r}, protected='group')"
    assert heavy & loaded_by(read) - {"pandas"} == {"pyarrow"}


def test_exports() -> None:
    assert dir(steelyard.tables) == sorted(steelyard.tables.__all__)
    for name in steelyard.tables.__all__:
        assert getattr(steelyard.tables, name).__module__.startswith("steelyard.tables.")
    assert not hasattr(steelyard.tables, "nothing")
