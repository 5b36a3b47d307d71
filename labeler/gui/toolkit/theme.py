"""The look: one palette for dark and one for light, one short style sheet, one font, one icon set."""

from typing import Literal, TypeAlias

from msgspec import Struct
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QFont, QFontDatabase, QGuiApplication, QIcon, QPalette
from PySide6.QtWidgets import QApplication, QLabel

from labeler import paths
from labeler.gui.toolkit.icons import draw_icon

Scheme: TypeAlias = Literal["system", "dark", "light"]

DEMIBOLD = QFont.Weight.DemiBold

PROPOSAL = "#a371f7"
POSITIVE = "#3fb950"
NEGATIVE = "#f85149"

ONLY_A = "#58a6ff"
ONLY_B = "#f0a04b"
BOTH = "#3fb950"
"""The areas of two objects that are compared."""


class Colors(Struct, frozen=True):
    """The colours of one scheme, as "#rrggbb"."""

    dark: bool
    background: str
    panel: str
    card: str
    edge: str
    raised: str
    """Buttons and fields on a card."""
    text: str
    quiet: str
    """Secondary text; at least 4.5 : 1 on cards and panels."""
    accent: str
    on_accent: str
    selected: str
    """Behind the selected row of a list."""
    good: str
    middling: str
    bad: str


DARK = Colors(
    dark=True,
    background="#101216",
    panel="#1b1f27",
    card="#20252f",
    edge="#2b313d",
    raised="#2b313d",
    text="#d7dce4",
    quiet="#96a0af",
    accent="#2b5bd7",
    on_accent="#ffffff",
    selected="#263457",
    good="#7ee787",
    middling="#e3b341",
    bad="#ff7b72",
)
LIGHT = Colors(
    dark=False,
    background="#e9ebef",
    panel="#f5f6f8",
    card="#ffffff",
    edge="#e3e6eb",
    raised="#eef0f3",
    text="#1f242d",
    quiet="#626b79",
    accent="#2b5bd7",
    on_accent="#ffffff",
    selected="#dfe7fb",
    good="#1a7f37",
    middling="#8f6000",
    bad="#cf222e",
)

_colors = DARK


def colors() -> Colors:
    """The colours in force."""
    return _colors


def agreement_color(value: float, *, on_photo: bool = False) -> str:
    """Good from 0.85, middling from 0.5, else bad; `on_photo` for tags, which are dark in either scheme."""
    used = DARK if on_photo else _colors
    if value >= 0.85:
        return used.good
    return used.middling if value >= 0.5 else used.bad


def bar_color() -> str:
    """Of the bars of a histogram, in the scheme in force."""
    return "#4bc3ff" if _colors.dark else "#1f7fd0"


def apply(app: QApplication, scheme: Scheme) -> None:
    """Put a scheme in force for the whole application; widgets repaint by themselves.

    Widgets that cache colours listen to `QEvent.PaletteChange`.
    """
    global _colors  # noqa: PLW0603 - the look is one per process, as Qt's own palette is
    _colors = _resolved(scheme)
    app.setStyle("Fusion")
    app.styleHints().setColorScheme(Qt.ColorScheme.Dark if _colors.dark else Qt.ColorScheme.Light)
    app.setFont(ui_font())
    app.setPalette(_palette(_colors))
    app.setStyleSheet(_style_sheet(_colors))


def load_fonts() -> None:
    """Register the shipped Inter, so that the app looks the same on a machine without fonts."""
    for path in sorted((paths.resources() / "fonts").glob("*.otf")):
        QFontDatabase.addApplicationFont(str(path))


def ui_font(size: int = 13, *, weight: QFont.Weight = QFont.Weight.Normal) -> QFont:
    """Inter in pixels, with tabular figures so that changing numbers don't dance."""
    font = QFont("Inter")
    font.setPixelSize(size)
    font.setWeight(weight)
    font.setFeature(QFont.Tag("tnum"), 1)
    return font


def heading_label(text: str) -> QLabel:
    """A card's heading: small spaced capitals in the quiet colour."""
    label = QLabel(text.upper())
    label.setObjectName("heading")
    font = ui_font(11, weight=QFont.Weight.DemiBold)
    font.setLetterSpacing(QFont.SpacingType.AbsoluteSpacing, 0.8)
    label.setFont(font)
    return label


def icon(name: str, *, active: str | None = None) -> QIcon:
    """A Material Design icon by its name without the set ("brush"), in the text colour.

    `active` is the colour of the checked state, by default the colour of text on the accent.
    """
    return draw_icon(name, color=_colors.text, on=active or _colors.on_accent, disabled=_colors.quiet)


def _resolved(scheme: Scheme) -> Colors:
    if scheme == "system":
        hints = QGuiApplication.styleHints()
        hints.unsetColorScheme()
        return LIGHT if hints.colorScheme() == Qt.ColorScheme.Light else DARK
    return DARK if scheme == "dark" else LIGHT


def _palette(c: Colors) -> QPalette:
    palette = QPalette()
    role = QPalette.ColorRole
    for name, color in (
        (role.Window, c.panel),
        (role.WindowText, c.text),
        (role.Base, c.card),
        (role.AlternateBase, c.panel),
        (role.ToolTipBase, c.card),
        (role.ToolTipText, c.text),
        (role.PlaceholderText, c.quiet),
        (role.Text, c.text),
        (role.Button, c.raised),
        (role.ButtonText, c.text),
        (role.BrightText, c.bad),
        (role.Link, c.accent),
        (role.Highlight, c.accent),
        (role.HighlightedText, c.on_accent),
        (role.Mid, c.edge),
        (role.Dark, c.edge),
        (role.Light, c.raised),
        (role.Midlight, c.raised),
        (role.Shadow, c.background),
    ):
        palette.setColor(name, QColor(color))
    for name in (role.Text, role.WindowText, role.ButtonText):
        palette.setColor(QPalette.ColorGroup.Disabled, name, QColor(c.quiet))
    return palette


def _style_sheet(c: Colors) -> str:
    return f"""
    QMainWindow, QMainWindow::separator {{ background: {c.panel}; }}
    QMainWindow::separator {{ width: 4px; height: 4px; }}
    QFrame#top {{ background: {c.panel}; border-bottom: 1px solid {c.edge}; }}
    QMenuBar {{ background: transparent; padding: 4px 0; }}
    QMenuBar::item {{ padding: 4px 8px; border-radius: 6px; background: transparent; color: {c.text}; }}
    QMenuBar::item:selected {{ background: {c.raised}; }}
    QMenu {{ background: {c.card}; border: 1px solid {c.edge}; border-radius: 8px; padding: 4px; }}
    QMenu::item {{ padding: 6px 24px 6px 12px; border-radius: 6px; }}
    QMenu::item:selected {{ background: {c.accent}; color: {c.on_accent}; }}
    QMenu::item:disabled {{ color: {c.quiet}; }}
    QMenu::separator {{ height: 1px; background: {c.edge}; margin: 4px 8px; }}
    QStatusBar {{ background: {c.panel}; border-top: 1px solid {c.edge}; color: {c.quiet}; }}
    QStatusBar::item {{ border: none; }}
    QStatusBar QLabel {{ color: {c.quiet}; padding: 0 8px; font-size: 12px; }}
    QToolTip {{ background: {c.card}; color: {c.text}; border: 1px solid {c.edge}; padding: 4px 8px; }}
    QDockWidget {{ titlebar-close-icon: none; titlebar-normal-icon: none; }}
    QFrame#picker {{ background: {c.card}; border: 1px solid {c.edge}; border-radius: 10px; }}
    QFrame#card {{ background: {c.card}; border: 1px solid {c.edge}; border-radius: 10px; }}
    QLabel#heading, QLabel#quiet {{ color: {c.quiet}; }}
    QLabel#quiet {{ font-size: 12px; }}
    QFrame#tools {{ background: {c.panel}; border-right: 1px solid {c.edge}; }}
    QPushButton, QToolButton {{ background: {c.raised}; color: {c.text}; border: 1px solid transparent;
        border-radius: 6px; padding: 5px 12px; }}
    QToolButton {{ background: transparent; padding: 4px; }}
    QPushButton:hover, QToolButton:hover {{ border-color: {c.quiet}; }}
    QToolButton:checked, QPushButton:checked, QPushButton:default {{ background: {c.accent};
        color: {c.on_accent}; }}
    QPushButton#chip {{ background: transparent; border: 1px solid {c.accent}; padding: 2px 8px;
        font-weight: normal; }}
    QPushButton:disabled, QPushButton:default:disabled {{ background: {c.raised}; color: {c.quiet}; }}
    QPushButton:focus, QToolButton:focus, QLineEdit:focus, QComboBox:focus {{ border: 1px solid {c.accent}; }}
    QLineEdit, QComboBox, QAbstractSpinBox {{ background: {c.raised}; color: {c.text};
        border: 1px solid {c.edge}; border-radius: 6px; padding: 4px 8px;
        selection-background-color: {c.accent}; }}
    QAbstractSpinBox QLineEdit {{ background: transparent; border: none; border-radius: 0; padding: 0; }}
    QAbstractSpinBox#plain::up-button, QAbstractSpinBox#plain::down-button {{ width: 0; border: none; }}
    QComboBox::drop-down {{ border: none; width: 20px; }}
    QComboBox QAbstractItemView {{ background: {c.card}; border: 1px solid {c.edge};
        selection-background-color: {c.accent}; selection-color: {c.on_accent}; }}
    QAbstractItemView {{ background: transparent; border: none; outline: 0; }}
    QAbstractItemView::item:selected {{ background: {c.selected}; color: {c.text}; }}
    QHeaderView, QHeaderView::section {{ background: transparent; border: none; color: {c.quiet};
        font-size: 12px; padding: 4px 0 4px 2px; }}
    {_control_styles(c)}
    """


def _control_styles(c: Colors) -> str:
    """The styles of what is dragged, ticked and filled."""
    return f"""
    QScrollBar:vertical {{ background: transparent; width: 10px; margin: 0; }}
    QScrollBar:horizontal {{ background: transparent; height: 10px; margin: 0; }}
    QDialogButtonBox {{ dialogbuttonbox-buttons-have-icons: 0; }}
    QScrollBar::handle {{ background: {c.edge}; border-radius: 3px; margin: 2px; min-height: 24px;
        min-width: 24px; }}
    QScrollBar::handle:hover {{ background: {c.quiet}; }}
    QScrollBar::add-line, QScrollBar::sub-line {{ width: 0; height: 0; }}
    QScrollBar::add-page, QScrollBar::sub-page {{ background: transparent; }}
    QSlider::groove:horizontal {{ height: 4px; border-radius: 2px; background: {c.raised}; }}
    QSlider::sub-page:horizontal {{ background: {c.accent}; border-radius: 2px; }}
    QSlider::handle:horizontal {{ background: {c.on_accent if c.dark else c.accent}; width: 14px;
        height: 14px; margin: -5px 0; border-radius: 7px; }}
    QProgressBar {{ background: {c.raised}; border: none; border-radius: 2px; max-height: 4px; }}
    QProgressBar::chunk {{ background: {c.accent}; border-radius: 2px; }}
    QListWidget#ticks {{ background: {c.card}; border: 1px solid {c.edge}; padding: 4px; }}
    QListWidget#ticks::item {{ padding: 3px 4px; }}
    QCheckBox::indicator, QListWidget#ticks::indicator {{ width: 14px; height: 14px;
        border: 1px solid {c.quiet}; border-radius: 4px; background: {c.raised}; }}
    QCheckBox::indicator:checked, QListWidget#ticks::indicator:checked {{
        background: {c.accent}; border-color: {c.accent};
        image: url("{(paths.resources() / "icons" / "check.svg").as_posix()}"); }}
    QCheckBox::indicator:focus {{ border-color: {c.accent}; }}
    QSplitter::handle {{ background: {c.panel}; }}
    QTabBar {{ qproperty-drawBase: 0; }}
    QTabBar::tab {{ background: transparent; color: {c.quiet}; border: 1px solid transparent;
        border-radius: 6px; padding: 3px 12px; margin: 4px 0 0 4px; }}
    QTabBar::tab:first {{ margin-left: 8px; }}
    QTabBar::tab:hover {{ color: {c.text}; }}
    QTabBar::tab:selected {{ background: {c.raised}; color: {c.text}; }}
    QTabBar::tab:selected:focus {{ border-color: {c.accent}; }}
    """
