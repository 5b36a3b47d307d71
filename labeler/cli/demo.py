"""`labeler demo`: the app on photos that come with the installed packages."""

import argparse
import os
from datetime import datetime
from pathlib import Path

from labeler import paths


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Describe the verb."""
    parser = subparsers.add_parser(
        "demo",
        help="try the app on demo photos",
        description="Open the window on photos that come with the installed packages, with the embedded "
        "MobileSAM; no network is used. Where there is no display, the same job is done off-screen: objects "
        "are clicked, masks accepted and corrected, and a screenshot and a COCO file are left behind.",
    )
    parser.add_argument("--folder", type=Path, help="where the photos and their project go")
    parser.add_argument("--off-screen", action="store_true", help="do the job off-screen even with a display")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Show the demo project, or label it off-screen."""
    from labeler.gui import app  # noqa: PLC0415 - Qt is loaded only where a window is wanted
    from labeler.gui.window.demo_photos import make_demo_folder  # noqa: PLC0415

    off_screen = args.off_screen or not (app.has_display() or "QT_QPA_PLATFORM" in os.environ)
    if not off_screen and os.environ.get("QT_QPA_PLATFORM") != "offscreen":
        return app.run(make_demo_folder(args.folder))
    if not args.off_screen:
        print("No display was found, so the window works off-screen.")
    os.environ["QT_QPA_PLATFORM"] = "offscreen"
    # a tour labels from scratch: it never adds to what a person has labelled
    stamp = datetime.now().astimezone().strftime("%Y-%m-%d-%H%M%S")
    folder = args.folder or paths.data_dir() / "demo-tours" / stamp
    return _tour(make_demo_folder(folder), folder.with_name(f"{folder.name}-result"))


def _tour(photos: Path, souvenirs: Path) -> int:
    from labeler.gui import app  # noqa: PLC0415
    from labeler.gui.window.tour import Tour  # noqa: PLC0415

    window = app.make_window()
    window.frame.resize(1440, 900)
    window.frame.show()
    window.start_host()
    try:
        left = Tour(window, lambda line: print(line, flush=True)).run(photos, souvenirs)
    finally:
        window.frame.close()
    print(f"{left.objects} objects labelled with the embedded MobileSAM.")
    print(f"screenshot: {left.screenshot}")
    print(f"COCO file:  {left.coco}")
    return 0
