"""What goes wrong is said in a sentence, and the work goes on."""

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import psutil
import pytest

from labeler.core.geometry import contains
from labeler.core.records import Annotation, Box, Change, Edit
from labeler.gui.images.film_strip import FilmStrip
from labeler.project.keeping.kept import kept_copies
from labeler.project.keeping.rescue_file import RescueFile
from labeler.project.store import Store
from tests.e2e.user import User

pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints")  # of the off-screen platform

Start = Callable[..., User]


def test_a_killed_host_is_told_and_the_next_click_works(sam: User) -> None:
    made = sam.draw_box(400, 300, 500, 500)
    sam.session.focus.select(())
    sam.prompt_at(132, 560)
    (host,) = sam.hosts()
    sam.key("Esc")
    host.kill()
    sam.wait(lambda: "MobileSAM crashed and is being started again; no label was lost." in sam.said())
    sam.click_at(132, 560)
    sam.wait(lambda: sam.canvas.prompt_desk.proposals)
    accepted = sam.accept()
    assert contains(accepted.shape, 132, 560)
    assert sam.annotations() == [made, accepted]
    assert [one.pid for one in sam.hosts()] != [host.pid]


def test_a_host_killed_while_a_proposal_is_pending_loses_nothing(sam: User) -> None:
    sam.prompt_at(132, 560)
    (host,) = sam.hosts()
    host.kill()
    sam.wait(lambda: "crashed" in sam.said())
    assert contains(sam.accept().shape, 132, 560)


def test_a_closed_window_leaves_no_process_and_all_edits(start: Start, photos: Path) -> None:
    user = start(photos, host=True)
    user.wait_encoded()
    made = [user.draw_box(x, 300, x + 20, 500) for x in range(100, 700, 40)]
    (host,) = user.hosts()
    user.close()
    assert not psutil.pid_exists(host.pid)
    assert not (photos / "labels.labeler-wal").exists()
    again = start(photos)
    again.wait(lambda: again.annotations() == made)


def test_a_window_closed_while_the_model_starts_leaves_no_process(start: Start, photos: Path) -> None:
    user = start(photos, host=True)
    user.wait(user.hosts)
    user.close()
    assert not user.hosts()


def _replaced_under(user: User, photos: Path, tmp_path: Path) -> list[Annotation]:
    """Draw, let another program put a file in the project's place, and draw on; gives all that was drawn."""
    first = user.draw_box(100, 300, 200, 500)
    user.wait_saved()
    other = tmp_path / "other.labeler"
    with Store.open(other) as store:
        store.photos.add(["bus.jpg"])
    other.replace(photos / "labels.labeler")
    second = user.draw_box(300, 300, 400, 500)
    user.wait(lambda: "was replaced by another file" in user.said())
    user.wait_saved()
    assert ".kept-" in user.said()
    return [first, second]


@pytest.mark.parametrize("mine", [True, False])
def test_a_project_replaced_under_the_window_costs_no_edit(
    start: Start, photos: Path, tmp_path: Path, mine: bool
) -> None:
    user = start(photos)
    made = _replaced_under(user, photos, tmp_path)
    user.close()
    again = start(photos)
    again.wait(lambda: "Say which of them goes on" in again.said())
    assert again.annotations() == []
    (copy,) = kept_copies(photos / "labels.labeler")
    again.window.bench.offers.decide(photos / "labels.labeler", copy, mine=mine)
    again.wait(lambda: again.session.project is not None)
    again.wait_shown()
    again.wait(lambda: again.annotations() == (made if mine else []))
    assert "other one was kept as" in again.said()
    assert kept_copies(photos / "labels.labeler") == []
    assert len(list(photos.glob("labels.*.labeler"))) == 1, "the other one is there too"


@pytest.mark.parametrize("mine", [True, False])
def test_which_file_is_the_project_can_be_said_in_the_window_that_has_it(
    start: Start, photos: Path, tmp_path: Path, mine: bool
) -> None:
    """With an edit still on its way, and the copy open in this very process."""
    user = start(photos)
    made = _replaced_under(user, photos, tmp_path)
    made.append(user.draw_box(500, 300, 600, 500))
    (copy,) = kept_copies(photos / "labels.labeler")
    user.window.bench.offers.decide(photos / "labels.labeler", copy, mine=mine)
    user.wait(lambda: user.session.project == photos / "labels.labeler")
    user.wait_shown()
    user.wait(lambda: user.annotations() == (made if mine else []))
    assert "other one was kept as" in user.said()
    assert kept_copies(photos / "labels.labeler") == []


def test_a_project_deleted_under_the_window_is_there_again(start: Start, photos: Path) -> None:
    user = start(photos)
    made = [user.draw_box(100, 300, 200, 500)]
    user.wait_saved()
    (photos / "labels.labeler").unlink()
    made.append(user.draw_box(300, 300, 400, 500))
    user.wait(lambda: "was deleted while it was open. It was written there again" in user.said())
    user.wait_saved()
    user.key("Ctrl+Z")
    user.wait(lambda: len(user.annotations()) == 1)
    user.close()
    again = start(photos)
    again.wait(lambda: again.annotations() == made[:1])


def test_edits_that_did_not_fit_are_offered_and_taken_up(start: Start, photos: Path) -> None:
    user = start(photos)
    made = user.draw_box(100, 300, 200, 500)
    user.wait_saved()
    user.close()
    path = photos / "labels.labeler"
    with Store.open(path) as store:
        (category,) = {one.category_id for one in store.all_annotations()}
        image_id = made.image_id
    lost = Annotation(made.id, image_id, category, Box(300, 300, 400, 500))
    kept = RescueFile(path).keep_aside([Edit("Add lost", (Change(None, lost),))])
    again = start(photos)
    again.wait(lambda: "did not fit" in again.said())
    again.window.toast.action_button.click()
    again.wait(lambda: "1 changes were taken up" in again.said())
    again.wait(lambda: len(again.annotations()) == 2)
    assert not kept.exists()
    again.session.history.undo()
    again.wait(lambda: again.annotations() == [made])


def test_a_cut_off_photo_is_shown_with_a_note(start: Start, photos: Path) -> None:
    data = (photos / "zidane.jpg").read_bytes()
    (photos / "cut.jpg").write_bytes(data[: len(data) // 2])
    user = start(photos / "cut.jpg")
    assert user.image == "cut.jpg"
    assert user.session.place.image is not None
    assert user.session.place.image.note.startswith("damaged")
    assert user.window.status_line._note.text() == user.session.place.image.note
    strip = user.window.panels[FilmStrip]
    column = [one.path for one in user.session.document.images].index("cut.jpg")
    assert "damaged" in str(strip.model().index(0, column).data(3))  # its tool tip
    assert user.draw_box(100, 100, 200, 200) in user.annotations()


def test_an_image_that_cannot_be_read_says_why_and_the_next_one_works(start: Start, photos: Path) -> None:
    (photos / "a-broken.jpg").write_bytes(b"no image at all")
    user = start()
    user.window.open(photos)
    user.wait(lambda: user.session.place.problem)
    assert user.image == "a-broken.jpg"
    user.wait(lambda: "a-broken.jpg" in user.said())
    user.key("R")
    user.key("D")
    user.wait_shown()
    assert user.image == "bus.jpg"
    assert "a-broken.jpg" not in user.said()
    user.draw_box(100, 300, 300, 500)


def test_a_decompression_bomb_is_refused_with_its_numbers(start: Start, photos: Path) -> None:
    done, png = cv2.imencode(".png", np.zeros((1, 1), dtype=np.uint8))
    assert done
    (photos / "a-bomb.png").write_bytes(_resized(png.tobytes(), 60_000, 60_000))
    user = start()
    user.window.open(photos)
    user.wait(lambda: user.session.place.problem)
    user.wait(lambda: "a-bomb.png is 60000 × 60000 pixels" in user.said())
    user.key("D")
    user.wait_shown()
    assert user.image == "bus.jpg"


def _resized(png: bytes, width: int, height: int) -> bytes:
    """A PNG whose header claims another size."""
    header = b"IHDR" + struct.pack(">II", width, height) + png[24:29]
    return png[:12] + header + struct.pack(">I", zlib.crc32(header)) + png[33:]
