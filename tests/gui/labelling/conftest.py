"""A shown widget, and clicks on the rows of a list: see panel_fixtures."""

from tests.gui.panel_fixtures import _dark, _fonts, click_row, shown  # noqa: F401 - fixtures
