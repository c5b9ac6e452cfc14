"""Fonts and files for documents."""

import os
from collections.abc import Callable

import pytest

from services.documents import fonts, pdf
from services.documents.fonts import Fonts, NoFont
from services.documents.model import Document
from tests.builders.papers import NOW
from tests.builders.printed import PrintedPage, read


@pytest.fixture(scope="session")
def installed() -> Fonts:
    """The fonts of this machine; deploy/fonts.sh brings them."""
    try:
        return fonts.find()
    except NoFont:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip("no font for Chinese is installed: deploy/fonts.sh")


@pytest.fixture(scope="session")
def printed(installed: Fonts) -> Callable[[Document], list[PrintedPage]]:
    """Documents as PDF, read again."""
    return lambda document: read(pdf.render(document, installed, NOW))
