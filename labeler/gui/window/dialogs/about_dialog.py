"""Version, licence, what the app is made of, and where its source is."""

from importlib.metadata import PackageNotFoundError, version

from PySide6.QtCore import Qt, qVersion
from PySide6.QtGui import QFont
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QLabel, QVBoxLayout, QWidget

from labeler.gui.toolkit import theme

_COMPONENTS = (
    ("PySide6-Essentials", "Qt for Python", "LGPL-3.0"),
    ("numpy", "NumPy", "BSD-3-Clause"),
    ("opencv-python-headless", "OpenCV", "Apache-2.0"),
    ("pillow", "Pillow", "MIT-CMU"),
    ("msgspec", "msgspec", "BSD-3-Clause"),
    ("onnxruntime", "ONNX Runtime", "MIT"),
    ("torch", "PyTorch", "BSD-3-Clause"),
)
_SHIPPED = (
    ("MobileSAM", "Apache-2.0"),
    ("Inter typeface", "OFL-1.1"),
    ("Material Design Icons", "Apache-2.0"),
)


def installed_version(package: str) -> str:
    """The version of an installed package, "" where it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


class AboutDialog(QDialog):
    """What this is."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("About Labeler")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setMinimumWidth(440)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(24, 20, 24, 16)
        layout.setSpacing(4)
        title = QLabel("Labeler", self)
        title.setFont(theme.ui_font(24, weight=QFont.Weight.DemiBold))
        layout.addWidget(title)
        layout.addWidget(
            QLabel(f"Version {installed_version('labeler') or 'unknown'}, Qt {qVersion()}", self)
        )
        layout.addSpacing(12)
        self._add_text(
            layout,
            "Licence",
            "Free software under the GNU Affero General Public License, version 3 or later. You may use, "
            "study, change and share it; it comes without any warranty. The source comes with the program, "
            "the full text of the licence is in its file LICENSE.",
        )
        self._add_text(layout, "Made with", "<br>".join(self._components()))
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close, self)
        buttons.rejected.connect(self.reject)
        layout.addSpacing(8)
        layout.addWidget(buttons)

    def _components(self) -> list[str]:
        quiet = theme.colors().quiet
        found = [(name, installed_version(package), licence) for package, name, licence in _COMPONENTS]
        lines = [(f"{name} {number}", licence) for name, number, licence in found if number]
        return [
            f"{name} <span style='color:{quiet}'>{licence}</span>" for name, licence in (*lines, *_SHIPPED)
        ]

    def _add_text(self, layout: QVBoxLayout, heading: str, text: str) -> None:
        label = QLabel(text, self, wordWrap=True)
        label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        layout.addWidget(theme.heading_label(heading))
        layout.addWidget(label)
        layout.addSpacing(12)
