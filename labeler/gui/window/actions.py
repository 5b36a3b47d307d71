"""Every action of the window, in one table: menus, keys, tooltips and the help page are made from it.

A new action is an entry here, at its place in its menu.
"""

from __future__ import annotations

from collections.abc import Mapping

from labeler.gui.canvas.tools.table import TOOLS
from labeler.gui.predictions.run_panel import RunPanel
from labeler.gui.window.action_kinds import LINE, Action, Line, always, has_predicted, has_selection, is_open
from labeler.gui.window.shaping.shape_menu import SHAPE_ENTRIES


def _tool(name: str, title: str, key: str, icon: str) -> Action:
    return Action(
        name,
        title,
        (key,),
        icon=icon,
        heading="Tools",
        switch=lambda window, _: window.commands.take_tool(name),
        ticked=lambda window: window.canvas.hand.name == name,
        while_dragging=True,
    )


TOOL_ACTIONS = tuple(_tool(tool.name, tool.title, tool.key, tool.icon) for tool in TOOLS)
"""The tools by the names that the canvas knows them by."""

MENUS: Mapping[str, tuple[Action | Line, ...]] = {
    "Project": (
        Action(
            "open-folder",
            "Open folder…",
            ("Ctrl+O",),
            lambda w: w.commands.open_folder(),
            icon="folder-open-outline",
            enabled=always,
        ),
        Action(
            "open-project",
            "Open project or image…",
            ("Ctrl+Shift+O",),
            lambda w: w.commands.open_project(),
            enabled=always,
        ),
        LINE,
        Action("import-labels", "Import labels…", ("Ctrl+I",), lambda w: w.commands.import_labels()),
        Action("import-folder", "Import a folder of labels…", (), lambda w: w.commands.import_folder()),
        Action(
            "import-results", "Import COCO results of a model…", (), lambda w: w.commands.import_results()
        ),
        Action(
            "labelme-upkeep",
            "Keep labelme files up to date",
            switch=lambda w, on: w.bench.upkeep.switch(on),
            ticked=lambda w: w.bench.upkeep.is_on,
            enabled=lambda w: is_open(w) and not w.session.read_only,
        ),
        Action("export", "Export labels…", ("Ctrl+E",), lambda w: w.bench.exporter.ask()),
        LINE,
        Action("snapshot", "Make a snapshot now", ("Ctrl+S",), lambda w: w.commands.snapshot()),
        Action("close-project", "Close project", ("Ctrl+Shift+W",), lambda w: w.keys.close_project()),
        Action("quit", "Quit", ("Ctrl+Q",), lambda w: w.frame.close(), enabled=always, while_dragging=True),
    ),
    "Edit": (
        Action(
            "undo",
            "Undo",
            ("Ctrl+Z",),
            lambda w: w.keys.undo(),
            enabled=lambda w: w.session.history.can_undo or w.canvas.progress.can_take_back,
            while_dragging=True,
        ),
        # never an edit under what is in progress
        Action(
            "redo",
            "Redo",
            ("Ctrl+Shift+Z", "Ctrl+Y"),
            lambda w: w.keys.redo(),
            enabled=lambda w: (
                w.canvas.progress.can_bring_back
                or (w.session.history.can_redo and not w.canvas.progress.is_on)
            ),
            while_dragging=True,
        ),
        LINE,
        Action("delete", "Delete", ("Del",), lambda w: w.keys.delete(), while_dragging=True),
        Action("copy", "Copy", ("Ctrl+C",), lambda w: w.bench.clipboard.copy(w.session.focus.selection)),
        Action("paste", "Paste", ("Ctrl+V",), lambda w: w.bench.clipboard.paste()),
        Action(
            "paste-in-place",
            "Paste in place",
            ("Ctrl+Shift+V",),
            lambda w: w.bench.clipboard.paste(in_place=True),
        ),
        Action(
            "duplicate",
            "Duplicate",
            ("Ctrl+D",),
            lambda w: w.bench.clipboard.duplicate(w.session.focus.selection),
        ),
        Action("select-all", "Select all", ("Ctrl+A",), lambda w: w.objects.select_all()),
        LINE,
        Action("settings", "Settings…", ("Ctrl+,",), lambda w: w.commands.settings(), enabled=always),
        Action(
            "brush-smaller",
            "Smaller brush",
            ("[",),
            lambda w: w.commands.resize_brush(-1),
            while_dragging=True,
            repeats=True,
            heading="Tools",
        ),
        Action(
            "brush-larger",
            "Larger brush",
            ("]",),
            lambda w: w.commands.resize_brush(1),
            while_dragging=True,
            repeats=True,
            heading="Tools",
        ),
    ),
    "Objects": (
        Action(
            "pick-category",
            "Choose a category…",
            ("C",),
            lambda w: w.naming.ask(),
            heading="Categories",
        ),
        # these mean the selection alone, where C and Del mean first what is in progress
        Action(
            "recategorise",
            "Change category…",
            (),
            lambda w: w.naming.ask_for(w.session.focus.selection),
            enabled=has_selection,
        ),
        Action(
            "delete-objects",
            "Delete the selected objects",
            (),
            lambda w: w.session.edits.delete(w.session.focus.selection, by="window"),
            enabled=has_selection,
        ),
        Action(
            "copy-to-next",
            "Copy to the next image",
            ("Ctrl+Shift+C",),
            lambda w: w.bench.clipboard.copy_to_next(w.session.focus.selection),
        ),
        LINE,
        Action(
            "hide-objects",
            "Hide the selected objects",
            ("Shift+H",),
            switch=lambda w, on: w.objects.hide(on),
            ticked=lambda w: w.objects.are_hidden,
            enabled=has_selection,
        ),
        Action(
            "lock-objects",
            "Lock the selected objects",
            ("L",),
            switch=lambda w, on: w.objects.lock(on),
            ticked=lambda w: w.objects.are_locked,
            enabled=has_selection,
        ),
        Action(
            "alone",
            "Show the selected objects alone",
            ("Shift+S",),
            switch=lambda w, on: w.objects.leave_alone(on),
            ticked=lambda w: w.session.veil.alone is not None,
            enabled=lambda w: has_selection(w) or w.session.veil.alone is not None,
        ),
        Action(
            "show-objects",
            "Show all objects",
            ("Ctrl+Shift+H",),
            lambda w: w.session.veil.lift(),
            enabled=lambda w: bool(w.session.veil.hidden_here()),
        ),
        Action(
            "unlock-objects",
            "Unlock all objects",
            (),
            lambda w: w.objects.unlock_all(),
            enabled=lambda w: bool(w.session.veil.locked_here()),
        ),
    ),
    "Shape": SHAPE_ENTRIES,
    "Images": (
        Action("next", "Next image", ("D", "PgDown"), lambda w: w.session.place.step(1), repeats=True),
        Action("previous", "Previous image", ("A", "PgUp"), lambda w: w.session.place.step(-1), repeats=True),
        Action(
            "reviewed-next",
            "Reviewed, and next",
            ("Ctrl+Return", "Ctrl+Enter"),
            lambda w: w.commands.reviewed_next(),
        ),
        Action(
            "reviewed",
            "Reviewed",
            ("Ctrl+R",),
            switch=lambda w, on: w.session.edits.mark_reviewed(on, by="window"),
            ticked=lambda w: bool(w.session.place.image and w.session.place.image.reviewed),
        ),
        Action(
            "next-open",
            "Next image not reviewed",
            ("Ctrl+Shift+D",),
            lambda w: w.commands.to_unreviewed(1),
            repeats=True,
        ),
        Action(
            "previous-open",
            "Previous image not reviewed",
            ("Ctrl+Shift+A",),
            lambda w: w.commands.to_unreviewed(-1),
            repeats=True,
        ),
        Action("go-to", "Go to image…", ("Ctrl+G",), lambda w: w.commands.go_to()),
    ),
    "View": (
        Action("fit", "Fit image", ("F",), lambda w: w.canvas.sight.fit(), while_dragging=True),
        Action(
            "actual-size", "100 %", ("Ctrl+0",), lambda w: w.canvas.sight.zoom_to(1.0), while_dragging=True
        ),
        Action(
            "zoom-in",
            "Zoom in",
            ("Ctrl++", "Ctrl+="),
            lambda w: w.canvas.sight.zoom_by(1.25),
            while_dragging=True,
            repeats=True,
        ),
        Action(
            "zoom-out",
            "Zoom out",
            ("Ctrl+-",),
            lambda w: w.canvas.sight.zoom_by(0.8),
            while_dragging=True,
            repeats=True,
        ),
        LINE,
        Action(
            "hide-annotations",
            "Hide annotations",
            ("H",),
            switch=lambda w, on: w.canvas.set_options(annotations=not on),
            ticked=lambda w: not w.canvas.options.annotations,
            while_dragging=True,
        ),
        Action(
            "display",
            "Brightness and contrast",
            ("Ctrl+Shift+B",),
            switch=lambda w, on: w.display.setVisible(on),
            ticked=lambda w: not w.display.isHidden(),
            while_dragging=True,
        ),
    ),
    "Model": (
        Action("models", "Models…", ("Ctrl+M",), lambda w: w.model_menu.show_models()),
        Action("predict-image", "Predict this image", ("I",), lambda w: w.panels[RunPanel].predict("image")),
        Action("predict-all", "Predict all images", ("Ctrl+B",), lambda w: w.panels[RunPanel].predict("all")),
        LINE,
        Action(
            "confidence-down",
            "Lower confidence threshold",
            (",",),
            lambda w: w.bench.predictions.step_confidence(-1),
            while_dragging=True,
            repeats=True,
            heading="Predictions",
        ),
        Action(
            "confidence-up",
            "Higher confidence threshold",
            (".",),
            lambda w: w.bench.predictions.step_confidence(1),
            while_dragging=True,
            repeats=True,
            heading="Predictions",
        ),
        # with Alt too: where a full stop needs Shift itself, as in France, Shift and it are one press
        Action(
            "iou-down",
            "Lower NMS IoU",
            ("Shift+,", "Alt+,"),
            lambda w: w.bench.predictions.step_iou(-1),
            while_dragging=True,
            repeats=True,
            heading="Predictions",
        ),
        Action(
            "iou-up",
            "Higher NMS IoU",
            ("Shift+.", "Alt+."),
            lambda w: w.bench.predictions.step_iou(1),
            while_dragging=True,
            repeats=True,
            heading="Predictions",
        ),
        Action(
            "auto-confidence",
            "Confidence that saves most",
            (),
            switch=lambda w, on: w.bench.auto_confidence.set_on(on),
            ticked=lambda w: w.bench.auto_confidence.is_on,
            while_dragging=True,
            heading="Predictions",
        ),
        Action(
            "accept-selected",
            "Accept the selected predictions",
            do=lambda w: w.bench.verdicts.accept(),
            enabled=has_predicted,
        ),
        Action(
            "accept-selected-as",
            "Accept the selected predictions as…",
            do=lambda w: w.naming.ask_for_predicted(w.bench.predictions.selection),
            enabled=has_predicted,
        ),
        Action(
            "reject-selected",
            "Reject the selected predictions",
            do=lambda w: w.bench.verdicts.reject(),
            enabled=has_predicted,
        ),
        Action(
            "select-alike",
            "Select all predictions of the same category",
            do=lambda w: w.bench.verdicts.select_alike(),
            enabled=has_predicted,
        ),
        Action(
            "accept-image",
            "Accept all on this image",
            ("Ctrl+Shift+Return",),
            lambda w: w.bench.reviewing.accept_all_above(0.0, whole_set=False),
            heading="Predictions",
        ),
        Action(
            "accept-set",
            "Accept all on all images",
            (),
            lambda w: w.bench.reviewing.accept_all_above(0.0, whole_set=True),
            heading="Predictions",
        ),
        Action(
            "review",
            "Review one by one",
            ("Ctrl+Shift+R",),
            switch=lambda w, on: w.bench.queue.set_active(on),
            ticked=lambda w: w.bench.queue.active,
            heading="Predictions",
        ),
        LINE,
        Action(
            "train", "Train a model", ("Ctrl+T",), lambda w: w.panels.toggle("Training"), heading="Training"
        ),
        Action(
            "learn",
            "Learn while I label",
            ("Ctrl+Shift+L",),
            switch=lambda w, on: w.bench.learner.set_on(on),
            ticked=lambda w: w.bench.learner.is_on,
            heading="Training",
        ),
        Action(
            "evaluate",
            "Evaluate a model",
            ("Ctrl+Shift+E",),
            lambda w: w.panels.toggle("Evaluation"),
            heading="Training",
        ),
        Action("effort", "What would models save me?…", (), lambda w: w.commands.show_effort()),
        LINE,
        Action("restart-model", "Restart the model process", (), lambda w: w.bench.host.restart()),
        Action(
            "encode-all",
            "Encode all images ahead",
            (),
            lambda w: w.bench.look_ahead(len(w.session.place.order)),
        ),
    ),
    "Help": (
        Action("keys", "All keys", ("F1",), lambda w: w.commands.show_keys(), enabled=always),
        Action("guide", "Guide through the demo", (), lambda w: w.show_guide(), enabled=lambda w: w.has_demo),
        Action("checkup", "Check this machine…", (), lambda w: w.commands.show_checkup(), enabled=always),
        Action("about", "About Labeler", (), lambda w: w.commands.show_about(), enabled=always),
    ),
}
"""The entries of each menu, from the top down."""

ACTIONS = tuple(entry for entries in MENUS.values() for entry in entries if isinstance(entry, Action))
"""All of the menus' actions."""
