"""What stands in the window's frame, in one import.

All of it needs numpy and OpenCV, most of it Qt's larger classes: 250 ms. `MainWindow.furnish` imports it, so
that the frame can be on the screen before.
"""

from labeler.gui.canvas.view import Canvas
from labeler.gui.commands import Commands
from labeler.gui.display_card import DisplayCard
from labeler.gui.hidden_sign import HiddenSign
from labeler.gui.host_client import HostClient
from labeler.gui.keys import Keys
from labeler.gui.loop import Loop
from labeler.gui.model_menu import ModelMenu
from labeler.gui.options_bar import OptionsBar
from labeler.gui.panel_docks import PanelDocks
from labeler.gui.photo_desk import PhotoDesk
from labeler.gui.prediction_desk import PredictionDesk
from labeler.gui.resuming import Resuming
from labeler.gui.saved_label import SavedLabel
from labeler.gui.session import Session
from labeler.gui.status_line import StatusLine
from labeler.gui.tool_column import ToolColumn

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
