"""Shared fixtures: the image sets (marked `data`), one thread count, no environment leaking in."""

import os
from pathlib import Path

import pytest


def pytest_collection_modifyitems(items):
    if _folder() is None:
        skip = pytest.mark.skip(reason="RESTORE_DATA does not name the folder of image sets")
        for item in items:
            if "data" in item.keywords:
                item.add_marker(skip)


def _folder() -> Path | None:
    name = os.environ.get("RESTORE_DATA")
    return Path(name) if name and (Path(name) / "test").is_dir() else None


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of image sets; tests that use it are marked `data`."""
    folder = _folder()
    if folder is None:
        pytest.skip("RESTORE_DATA does not name the folder of image sets")
    return folder
