"""What all tests share: real data where it is at hand, and images small enough to reason about."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Give the folder of real images; tests that need it are skipped where it isn't there."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not (folder / "sets.csv").exists():
        pytest.skip("the folder of real images (../shared/data) is not at hand")
    return folder
