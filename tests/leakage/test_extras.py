import sys

import numpy as np
import pytest

from steelyard.base.errors import MissingExtraError
from steelyard.leakage.extras import require_torch
from steelyard.leakage.mlp import train_mlp


def test_without_torch_the_mend_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    line = r"^the MLP attacker needs PyTorch: pip install 'steelyard\[train\]'$"
    with pytest.raises(MissingExtraError, match=line):
        require_torch()
    x, groups = np.eye(4), np.array([0, 1, 0, 1])
    with pytest.raises(MissingExtraError, match=line):
        train_mlp(x, groups, x, groups, x, groups=2, seed=0)


def test_a_torch_that_is_there_but_broken_says_what_is_missing_itself(monkeypatch, tmp_path):
    (tmp_path / "torch.py").write_text("import a_library_that_torch_needs\n")
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="a_library_that_torch_needs"):
        require_torch()
