"""What stands in the window's frame, in one import.

All of it needs numpy and OpenCV, most of it Qt's larger classes: 250 ms. `MainWindow.furnish` imports it, so
that the frame can be on the screen before.
"""

from labeler.gui.canvas.view import Canvas
from labeler.gui.children.host_client import HostClient
from labeler.gui.images.photo_desk import PhotoDesk
from labeler.gui.models.menu import ModelMenu
from labeler.gui.session.session import Session
from labeler.gui.window.commands import Commands
from labeler.gui.window.display_card import DisplayCard
from labeler.gui.window.hidden_sign import HiddenSign
from labeler.gui.window.keys import Keys
from labeler.gui.window.learning_loop import Loop
from labeler.gui.window.options_bar import OptionsBar
from labeler.gui.window.panel_docks import PanelDocks
from labeler.gui.window.prediction_desk import PredictionDesk
from labeler.gui.window.resuming import Resuming
from labeler.gui.window.status_line import SavedLabel, StatusLine
from labeler.gui.window.tool_column import ToolColumn

__all__ = [
    "Canvas",
    "Commands",
    "DisplayCard",
    "HiddenSign",
    "HostClient",
    "Keys",
    "Loop",
    "ModelMenu",
    "OptionsBar",
    "PanelDocks",
    "PhotoDesk",
    "PredictionDesk",
    "Resuming",
    "SavedLabel",
    "Session",
    "StatusLine",
    "ToolColumn",
]
