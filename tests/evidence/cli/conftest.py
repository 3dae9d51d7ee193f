"""One running installation for all tests of the command line."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.installation import Installation, installed


@pytest.fixture(scope="session")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """An installation with its server running, people signed in and a dock enrolled."""
    with installed(tmp_path_factory.mktemp("room")) as installation:
        yield installation


@pytest.fixture
def card(tmp_path: Path) -> Path:
    """An empty folder, as a camera's card."""
    folder = tmp_path / "card"
    folder.mkdir()
    return folder
