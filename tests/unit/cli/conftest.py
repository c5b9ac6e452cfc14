"""English unless a test says otherwise."""

from collections.abc import Iterator

import pytest

from services.cli import texts


@pytest.fixture(autouse=True)
def english() -> Iterator[None]:
    """The language in use, back to English after each test."""
    texts.use("en")
    yield
    texts.use("en")
