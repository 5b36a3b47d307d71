"""Weights over a real connection to a server on this computer, and files of a person's own."""

import hashlib
import os
import pickle
import random
import shutil
import socket
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from labeler.errors import ModelError
from labeler.models.files import catalog, fetch, weights
from labeler.models.files.catalog import CatalogEntry
from labeler.models.protocols import ModelSpec
from tests.file_server import FileServer, serving
from tests.patient_bot import slack

CONTENT = random.Random(3).randbytes(2_500_000)
OTHER = random.Random(4).randbytes(2_500_000)


@pytest.fixture
def server() -> Iterator[FileServer]:
    with serving(CONTENT) as server:
        yield server


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy of the machine, and short patience."""
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setattr(fetch, "PAUSE_SECONDS", 0.0)


def files() -> list[str]:
    """What is in the folder, but for the locks and pins."""
    return sorted(p.name for p in weights.folder().iterdir() if p.suffix not in (".lock", ".json"))


def own() -> list[weights.Installed]:
    """Those that are there, but for what comes with the app."""
    return [one for one in weights.installed() if not one.is_shipped]


def test_a_file_is_fetched_checked_and_known(server) -> None:
    entry = server.entry()
    told: list[tuple[int, int]] = []
    path = weights.download(entry, progress=lambda done, total: told.append((done, total)))
    assert path == weights.path_of(entry)
    assert path.read_bytes() == CONTENT
    assert told[0] == (0, len(CONTENT))
    assert told[-1] == (len(CONTENT), len(CONTENT))
    assert told == sorted(told)
    assert files() == ["model.pt"]
    assert weights.verified(path) == weights.Weights(path, hashlib.sha256(CONTENT).hexdigest())
    assert [(one.path, one.size, one.id) for one in own()] == [(path, len(CONTENT), "model.pt")]


def test_another_file_than_the_published_one_is_refused(server) -> None:
    for change in (CONTENT[:-1] + b"\0", CONTENT[:-1], CONTENT + b"\0"):
        entry = server.entry()
        server.content = change
        with pytest.raises(weights.DownloadError, match="not the published file, its SHA-256 is") as raised:
            weights.download(entry)
        assert raised.value.url in str(raised.value)
        assert str(weights.folder()) in str(raised.value)
        assert files() == []
        server.content = CONTENT


def test_a_cut_connection_is_taken_up_where_it_broke(server) -> None:
    server.cuts = [700_000, 400_000]
    path = weights.download(server.entry())
    assert path.read_bytes() == CONTENT
    assert server.asked == ["", "bytes=700000-", "bytes=1100000-"]


def test_a_connection_that_is_always_cut_keeps_what_came(server) -> None:
    server.cuts = [900_000, 0, 0, 0, 0, 0, 0]
    with pytest.raises(weights.DownloadError, match="the connection broke off"):
        weights.download(server.entry())
    assert files() == [".model.pt.part"]
    assert len(server.asked) == 1 + fetch.ATTEMPTS
    server.cuts, server.asked = [], []
    assert weights.download(server.entry()).read_bytes() == CONTENT
    assert server.asked == ["bytes=900000-"]
    assert files() == ["model.pt"]


def interrupted(server: FileServer, size: int) -> None:
    """A download that ended after `size` bytes."""
    server.cuts = [size] + [0] * 9
    with pytest.raises(weights.DownloadError):
        weights.download(server.entry())
    server.cuts, server.asked = [], []


@pytest.mark.parametrize("etag", ['"two"', "", 'W/"one"'])
def test_a_file_that_changed_meanwhile_is_fetched_anew(server, etag) -> None:
    interrupted(server, 900_000)
    server.content, server.etag = OTHER, etag
    assert weights.download(server.entry()).read_bytes() == OTHER
    assert server.asked == ["bytes=900000-"]


def test_a_server_without_ranges_sends_all_again(server) -> None:
    interrupted(server, 900_000)
    server.ranges = False
    assert weights.download(server.entry()).read_bytes() == CONTENT
    assert server.asked == ["bytes=900000-"]


@pytest.mark.parametrize("lie", ["bytes 0-2499999/2500000", "bytes 900000-2499998/2499999", "nonsense"])
def test_a_range_that_was_not_asked_for_is_not_used(server, lie) -> None:
    interrupted(server, 900_000)
    server.lie = lie
    assert weights.download(server.entry()).read_bytes() == CONTENT
    assert server.asked == ["bytes=900000-", ""]


def test_bytes_on_disk_that_are_not_the_server_s_are_found_out(server) -> None:
    interrupted(server, 900_000)
    part = weights.folder() / ".model.pt.part"
    part.write_bytes(b"\0" * 900_000)
    with pytest.raises(weights.DownloadError, match="not the published file"):
        weights.download(server.entry())
    assert weights.download(server.entry()).read_bytes() == CONTENT


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_a_part_file_that_is_a_link_is_not_written_through(server, tmp_path) -> None:
    interrupted(server, 900_000)
    mine = tmp_path / "mine.txt"
    mine.write_bytes(b"mine" * 225_000)
    part = weights.folder() / ".model.pt.part"
    part.unlink()
    part.symlink_to(mine)
    assert weights.download(server.entry()).read_bytes() == CONTENT
    assert mine.read_bytes() == b"mine" * 225_000


def test_an_unknown_length_is_no_obstacle(server) -> None:
    server.says_length = False
    told: list[int] = []
    path = weights.download(server.entry(), progress=lambda done, total: told.append(total))
    assert path.read_bytes() == CONTENT
    assert set(told) == {0}


def test_a_redirect_is_followed(server) -> None:
    entry = server.entry(url=server.url.replace("model", "moved"))
    assert weights.download(entry).read_bytes() == CONTENT


def test_a_redirect_to_a_file_of_this_computer_is_refused(server, tmp_path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(CONTENT)
    server.redirect = secret.as_uri()
    with pytest.raises(weights.DownloadError, match=r"moved\.pt"):
        weights.download(server.entry(url=server.url.replace("model", "moved")))
    assert files() == []


def test_no_redirect_leaves_encryption() -> None:
    request = urllib.request.Request("https://example.org/model.pt")
    with pytest.raises(urllib.request.URLError, match="not encrypted"):
        fetch._Redirects().redirect_request(request, None, 302, "", {}, "http://example.org/model.pt")


@pytest.mark.parametrize("status", [404, 403, 500])
def test_a_server_that_refuses_is_quoted(server, status) -> None:
    server.status = status
    with pytest.raises(weights.DownloadError, match=f"the server answers {status}"):
        weights.download(server.entry())
    assert len(server.asked) == 1


def test_a_server_that_falls_silent_is_given_up(server, monkeypatch) -> None:
    monkeypatch.setattr(fetch, "STALL_SECONDS", 0.3)
    interrupted(server, 900_000)
    server.stalls = 0
    with pytest.raises(weights.DownloadError, match="the server has fallen silent"):
        weights.download(server.entry())
    assert server.asked == ["bytes=900000-"]
    server.stalls = 600_000
    assert weights.download(server.entry()).read_bytes() == CONTENT
    assert server.asked[1:] == ["bytes=900000-", "bytes=1500000-", "bytes=2100000-"]


def test_a_name_look_up_that_never_answers_is_one_sentence_within_ten_seconds(monkeypatch) -> None:
    asked, ended = threading.Event(), threading.Event()

    def never(*args: object, **options: object) -> list[object]:
        asked.set()
        ended.wait(60)
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", never)
    entry = FileServer(CONTENT).entry(url="https://example.org/weights/model.pt")
    begun = time.monotonic()
    with pytest.raises(weights.DownloadError) as raised:
        weights.download(entry)
    assert time.monotonic() - begun < 10 * slack()
    ended.set()
    assert asked.is_set()
    assert str(raised.value) == (
        "Tiny could not be downloaded (there is no answer; is there a network?): fetch "
        f"https://example.org/weights/model.pt by hand and put it into {weights.folder()}."
    )


def test_no_network_is_told_at_once(monkeypatch) -> None:
    def none(*args: object, **options: object) -> list[object]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", none)
    with pytest.raises(weights.DownloadError, match="Name or service not known"):
        weights.download(FileServer(CONTENT).entry(url="https://example.org/model.pt"))


def test_a_download_is_called_off_and_gone_on_with(server) -> None:
    server.stalls = 600_000
    stop = threading.Event()
    threading.Timer(0.4, stop.set).start()
    begun = time.monotonic()
    with pytest.raises(weights.FetchStoppedError):
        weights.download(server.entry(), is_stopped=stop.is_set)
    assert time.monotonic() - begun < 2 * slack()
    assert files() == [".model.pt.part"]
    server.stalls, server.asked = None, []
    assert weights.download(server.entry()).read_bytes() == CONTENT
    assert server.asked == ["bytes=600000-"]


def test_a_full_disk_is_seen_before_the_download(server, monkeypatch) -> None:
    usage = shutil.disk_usage(weights.folder())
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage._replace(free=1_000_000))
    with pytest.raises(weights.DownloadError, match=r"needs 2 MB, but only 1 MB are free"):
        weights.download(server.entry())
    assert files() == []


@pytest.mark.skipif(os.name == "nt", reason="no limit on the size of files there")
def test_a_disk_that_fills_up_meanwhile_keeps_what_came(server) -> None:
    import resource

    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, limits[1]))
    try:
        with pytest.raises(weights.DownloadError, match="File too large"):
            weights.download(server.entry())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert files() == [".model.pt.part"]
    assert weights.download(server.entry()).read_bytes() == CONTENT
    assert server.asked[1:] == [f"bytes={1_000_000}-"]


def test_two_at_once_don_t_meet(server) -> None:
    server.stalls = 600_000
    stop = threading.Event()
    begun = threading.Event()
    ends: list[Exception] = []

    def first() -> None:
        try:
            weights.download(server.entry(), progress=lambda *_: begun.set(), is_stopped=stop.is_set)
        except weights.FetchStoppedError as error:
            ends.append(error)

    thread = threading.Thread(target=first)
    thread.start()
    assert begun.wait(5)
    with pytest.raises(ModelError, match=r"model\.pt is being downloaded already; wait"):
        weights.download(server.entry())
    stop.set()
    thread.join()
    assert len(ends) == 1


def test_without_a_published_hash_the_first_file_is_the_one(server) -> None:
    entry = server.entry(sha256="")
    path = weights.download(entry)
    server.content, server.etag = OTHER, '"two"'
    with pytest.raises(weights.DownloadError, match="another one than the first time"):
        weights.download(entry)
    assert path.read_bytes() == CONTENT
    weights.remove(path)
    assert weights.download(entry).read_bytes() == OTHER


def test_a_file_that_changed_on_disk_is_refused(server) -> None:
    path = weights.download(server.entry())
    path.write_bytes(OTHER)
    with pytest.raises(ModelError, match="not the one that belongs here"):
        weights.verified(path)


def test_a_file_is_hashed_once(server, monkeypatch) -> None:
    path = weights.folder() / "mine.pt"
    path.write_bytes(CONTENT)
    hashed: list[Path] = []
    real = weights._hash
    monkeypatch.setattr(weights, "_hash", lambda path: hashed.append(path) or real(path))
    assert weights.verified(path) == weights.verified(path)
    assert hashed == [path]


def test_a_damaged_file_of_pins_is_begun_anew(server, expect_log) -> None:
    expect_log("pins.json cannot be read")
    path = weights.download(server.entry(sha256=""))
    (weights.folder() / "pins.json").write_text("{")
    assert weights.verified(path).sha256 == hashlib.sha256(CONTENT).hexdigest()


def opened(path: Path) -> ModelSpec:
    """Stands for `Registry.open_file` where only the copy is tested."""
    return ModelSpec(id=path.stem, title=path.stem, task="detector", load=dict)  # type: ignore[arg-type]


def test_a_person_s_file_is_copied_and_pinned(tmp_path) -> None:
    mine = tmp_path / "best.safetensors"
    mine.write_bytes(CONTENT)
    taken = weights.import_file(mine, open_file=opened)
    assert taken == weights.Installed(weights.folder() / "best.safetensors", len(CONTENT))
    assert taken.path.read_bytes() == CONTENT
    assert weights.import_file(mine, open_file=opened) == taken
    mine.write_bytes(OTHER)
    another = weights.import_file(mine, open_file=opened)
    assert another.path.name == f"best-{hashlib.sha256(OTHER).hexdigest()[:8]}.safetensors"
    assert taken.path.read_bytes() == CONTENT
    weights.remove(taken.path)
    assert [one.path for one in own()] == [another.path]


def test_a_file_that_the_catalogue_knows_takes_its_place_there(tmp_path, monkeypatch) -> None:
    entry = FileServer(CONTENT).entry()
    monkeypatch.setattr(catalog, "entries", lambda: (entry,))
    mine = tmp_path / "download (3).bin"
    mine.write_bytes(CONTENT)
    taken = weights.import_file(mine, open_file=opened)
    assert taken == weights.Installed(weights.path_of(entry), len(CONTENT), entry)
    assert taken.id == "tiny"
    (tmp_path / "model.pt").write_bytes(OTHER)
    other = weights.import_file(tmp_path / "model.pt", open_file=opened)
    assert other.entry is None
    assert other.path != taken.path
    assert weights.verified(taken.path).sha256 == entry.sha256


class Canary:
    """Would write a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self._path),)


@pytest.mark.parametrize("form", ["zip", "legacy", "plain", "nested"])
def test_a_file_that_would_run_code_is_refused_without_running_it(tmp_path, form) -> None:
    import torch

    mark, mine = tmp_path / "mark", tmp_path / "best.pt"
    if form == "plain":
        mine.write_bytes(pickle.dumps(Canary(mark)))
    else:
        held = {"model": [Canary(mark)]} if form == "nested" else Canary(mark)
        torch.save({"weights": torch.zeros(3), "x": held}, mine,
                   _use_new_zipfile_serialization=form != "legacy")  # fmt: skip
    with pytest.raises(ModelError, match=r"“best.pt” is refused: loading it would call"):
        weights.import_file(mine, open_file=opened)
    assert not mark.exists()
    assert files() == []


def test_a_plain_checkpoint_passes_in_both_forms_of_torch(tmp_path) -> None:
    import torch

    state = {"model": torch.nn.Conv2d(3, 4, 1).state_dict(), "epoch": 3}
    for name, zipped in (("new.pt", True), ("old.pth", False)):
        torch.save(state, tmp_path / name, _use_new_zipfile_serialization=zipped)
        weights.import_file(tmp_path / name, open_file=opened)
    assert files() == ["new.pt", "old.pth"]


def test_a_real_ultralytics_checkpoint_passes(shared) -> None:
    checkpoint = shared / "models" / "yolo" / "yolov8n-coco.pt"
    if not checkpoint.is_file():
        pytest.skip("needs the YOLO checkpoint in `shared`")
    assert weights.import_file(checkpoint, open_file=opened).path.name == "yolov8n-coco.pt"


@pytest.mark.parametrize("length", [0, 1, 2, 100, 400])
def test_a_damaged_checkpoint_is_one_sentence(tmp_path, length) -> None:
    import torch

    torch.save({"a": torch.zeros(100)}, tmp_path / "whole.pt", _use_new_zipfile_serialization=False)
    mine = tmp_path / "cut.pt"
    mine.write_bytes((tmp_path / "whole.pt").read_bytes()[:length])

    def unknown(path: Path) -> ModelSpec:
        raise ModelError(f"“{path.name}” is not a model file that can be opened.")

    with pytest.raises(ModelError, match=r"“cut.pt” is (damaged|not a model file)"):
        weights.import_file(mine, open_file=unknown)
    assert files() == []


def test_a_home_that_is_a_file_is_one_sentence(tmp_path, monkeypatch) -> None:
    (tmp_path / "models").write_text("in the way")
    monkeypatch.setenv("LABELER_DATA_DIR", str(tmp_path))
    with pytest.raises(ModelError, match=r"folder of weights .* cannot be made \(File exists\)"):
        weights.installed()


def test_only_files_of_the_folder_are_removed(tmp_path) -> None:
    mine = tmp_path / "mine.pt"
    mine.write_bytes(b"")
    with pytest.raises(ModelError, match="is not in"):
        weights.remove(mine)
    assert mine.exists()


def test_a_file_that_is_gone_is_one_sentence() -> None:
    gone: CatalogEntry = FileServer(CONTENT).entry()
    with pytest.raises(ModelError, match="cannot be read"):
        weights.verified(weights.path_of(gone))
    with pytest.raises(ModelError, match="cannot be copied"):
        weights.import_file(weights.path_of(gone), open_file=opened)
