import hashlib
from datetime import UTC, datetime

import pytest

from steelyard.base.errors import InputError
from steelyard.reports.provenance import provenance, without_folders


def test_provenance_names_versions_inputs_and_no_folder(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_bytes(b"id,g\n1,a\n")
    made = provenance(
        seed=3,
        inputs=[path],
        command=["steelyard", "audit", str(path), f"--out={tmp_path}/out", "--targets", f"@{tmp_path}/t.txt"],
        duration_s=1.23456,
    )
    assert made["fingerprints"] == [{"name": "labels.csv", "sha256": hashlib.sha256(b"id,g\n1,a\n").hexdigest()}]
    assert made["command"] == "steelyard audit labels.csv --out=out --targets @t.txt"
    assert str(tmp_path) not in str(made)
    assert set(made["versions"]) == {"python", "steelyard", "numpy", "scipy", "scikit-learn"}
    assert made["seed"] == 3
    assert made["duration_s"] == 1.235
    assert abs(datetime.now(UTC) - datetime.fromisoformat(made["date"])).total_seconds() < 60


@pytest.mark.parametrize(
    ("argument", "kept"),
    [("labels.csv", "labels.csv"), ("a/b", "a/b"), ("/a/b/c", "c"), (r"C:\a\b.csv", "b.csv"), ("0.2,0.4", "0.2,0.4")],
)
def test_only_absolute_folders_are_cut(argument, kept):
    assert without_folders(argument) == kept


def test_a_missing_input_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match=r"nothing\.csv: cannot be read"):
        provenance(seed=0, inputs=[tmp_path / "nothing.csv"])
