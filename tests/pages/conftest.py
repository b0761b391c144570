import pytest

from tests.pages.made import ODD, PLAIN, make_pages


@pytest.fixture(scope="session")
def pages(tmp_path_factory):
    """The paths of all pages, with plain names and with odd ones, by the names."""
    return {
        names: make_pages(tmp_path_factory.mktemp("pages"), *names)
        for names in (PLAIN, ODD)
    }
