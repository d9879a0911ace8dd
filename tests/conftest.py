"""Settings of every test, and what several of them ask for."""

from collections.abc import Iterator

import pytest
from hypothesis import settings

# The machine may be busy with other things.
settings.register_profile("steelyard", settings(), deadline=None)
settings.load_profile("steelyard")


@pytest.fixture(scope="module")
def torch_on_one_thread() -> Iterator[None]:
    """Small networks under parallel test workers: threads would only wait for each other."""
    torch = pytest.importorskip("torch")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
