"""A town with nothing in it; files that need more make their own."""

from collections.abc import Iterator

import pytest

from tests.support.committee import Town


@pytest.fixture
def town() -> Iterator[Town]:
    town = Town()
    yield town
    town.close()
