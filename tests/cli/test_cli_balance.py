"""`steelyard balance`: what is kept, on made-up tables and on imSitu's labels."""

import os
from pathlib import Path

import pandas as pd
import pytest
from cli_samples import call

from steelyard.tables import read_labels


def imsitu() -> Path:
    folder = os.environ.get("STEELYARD_DATA")
    if not folder:
        pytest.skip("STEELYARD_DATA is not set")
    path = Path(folder) / "imsitu" / "labels.csv"
    if not path.is_file():
        pytest.skip(f"{path} is not there")
    return path


@pytest.mark.parametrize(("alpha", "kept"), [("1", 14_684), ("2", 19_149), ("3", 21_143)])
def test_imsitu_keeps_exactly_as_many_as_the_closed_form(
    alpha: str, kept: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, out = imsitu(), tmp_path / "kept.csv"
    call(f"balance {source} --protected gender --target verb --split train --alpha {alpha} --quiet --out {out}")
    printed = capsys.readouterr()
    assert f"kept {kept:,} of 24,301 images" in printed.out
    assert printed.err == ""
    table = read_labels(out, protected="gender", target="verb")
    assert len(table) == kept
    assert set(table.splits.tolist()) == {"train"}  # type: ignore[union-attr]
    assert table.id_column == read_labels(source, protected="gender", target="verb").id_column
    counts = pd.crosstab(table.targets, table.groups)
    assert (counts.max(axis=1) <= int(alpha) * counts.min(axis=1)).all()


def test_kept_rows_are_rows_of_the_source_with_their_labels(desk: Path, tmp_path: Path) -> None:
    out = tmp_path / "kept.csv"
    call(f"balance {desk}/labels.csv --protected place --targets o* --split val --alpha 1.25 --quiet --out {out}")
    kept, source = pd.read_csv(out), pd.read_csv(desk / "labels.csv").set_index("image")
    names = ["o0", "o1", "o2", "o3", "o4"]
    assert list(kept.columns) == ["image", "split", "place", *names]
    assert set(kept["split"]) == {"val"}
    same = source.loc[kept["image"], ["split", "place", *names]].reset_index()
    pd.testing.assert_frame_equal(kept, same)
    for name in names:
        counts = kept[kept[name] == 1]["place"].value_counts()
        assert len(counts) in (0, 3)
        assert counts.empty or counts.max() <= 1.25 * counts.min()


def test_group_totals_are_held_unless_told_otherwise(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = pd.DataFrame(
        {"image": range(40), "sex": ["man"] * 30 + ["woman"] * 10, "dog": [0] * 25 + [1] * 10 + [0] * 5}
    )
    table.to_csv(tmp_path / "labels.csv", index=False)
    totals = {}
    for flag in ("--balance-groups", "--no-balance-groups"):
        out = tmp_path / f"kept{flag}.csv"
        call(f"balance {tmp_path}/labels.csv --protected sex --targets dog --alpha 1 --out {out} {flag}")
        totals[flag] = pd.read_csv(out)["sex"].value_counts().to_dict()
    assert totals == {
        "--balance-groups": {"man": 10, "woman": 10},
        "--no-balance-groups": {"man": 30, "woman": 10},
    }
    assert "searching the largest subset of 40 images" in capsys.readouterr().err


def test_parquet_reads_back(desk: Path, tmp_path: Path) -> None:
    out = tmp_path / "kept.parquet"
    call(f"balance {desk}/labels.csv --protected sex --target verb --alpha 2 --quiet --out {out}")
    table = read_labels(out, protected="sex", target="verb")
    assert table.target_names == ("cook", "read", "run", "swim")
