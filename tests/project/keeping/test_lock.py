"""One writer at a time, whoever comes, and a dead one is no obstacle."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

from labeler.errors import ProjectError, ProjectLockedError
from labeler.project.keeping import lock
from labeler.project.keeping.lock import Holder, acquire, holder, lock_path
from labeler.project.store import Store
from labeler.project.writer import Writer
from tests.patient_bot import slack

HOLD = """
import sys
from pathlib import Path
from labeler.errors import ProjectLockedError
from labeler.project.keeping.lock import acquire
try:
    held = acquire(Path(sys.argv[1]))
except ProjectLockedError as error:
    print("refused", error, flush=True)
else:
    print("held", flush=True)
    sys.stdin.readline()
    held.release()
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return tmp_path / "labels.labeler"


def start(project: Path) -> subprocess.Popen:
    pipe = subprocess.PIPE
    return subprocess.Popen([sys.executable, "-c", HOLD, str(project)], stdin=pipe, stdout=pipe, text=True)


def end(child: subprocess.Popen) -> None:
    child.stdin.close()
    child.wait(20)
    child.stdout.close()


def foreign(**changes) -> bytes:
    known = {"pid": 1, "host": "elsewhere", "user": "ann", "since": time.time() - 7200} | changes
    return msgspec.json.encode(Holder(**known))


def test_the_holder_is_written_down_and_gone_afterwards(project: Path) -> None:
    held = acquire(project)
    who = holder(project)
    assert (who.pid, who.host) == (os.getpid(), socket.gethostname())
    assert abs(who.since - time.time()) < 60
    held.release()
    held.release()
    assert not lock_path(project).exists()
    assert holder(project) is None


def test_a_second_holder_is_refused_and_told_who_has_it(project: Path) -> None:
    held = acquire(project)
    sentence = rf"labels\.labeler is open on this computer by .* \(process {os.getpid()}\)"
    with pytest.raises(ProjectLockedError, match=sentence):
        acquire(project)
    held.release()
    acquire(project).release()


def test_another_process_is_refused(project: Path) -> None:
    child = start(project)
    assert child.stdout.readline() == "held\n"
    with pytest.raises(ProjectLockedError, match=f"process {child.pid}"):
        Store.open(project)
    end(child)
    Store.open(project).close()


@pytest.mark.skipif(os.name == "nt", reason="kills by SIGKILL, which Windows does not have")
def test_a_killed_holder_is_no_obstacle(project: Path) -> None:
    child = start(project)
    assert child.stdout.readline() == "held\n"
    os.kill(child.pid, signal.SIGKILL)
    end(child)
    assert lock_path(project).exists()
    began = time.monotonic()
    acquire(project).release()
    assert time.monotonic() - began < slack()


def test_another_machine_is_never_robbed_unasked(project: Path) -> None:
    lock_path(project).write_bytes(foreign())
    os.utime(lock_path(project), (0, 0))
    with pytest.raises(ProjectLockedError, match="open on elsewhere by ann since"):
        acquire(project)
    assert lock_path(project).read_bytes() == foreign(since=holder(project).since)
    with pytest.raises(ProjectLockedError):
        Writer.open(project)
    Writer.open(project, take_over=True).close()
    assert not lock_path(project).exists()


def test_a_lock_file_of_garbage_is_nobodys(project: Path) -> None:
    lock_path(project).write_bytes(b"\xff garbage")
    acquire(project).release()


@pytest.mark.parametrize(("alive", "refused"), [(True, True), (False, False)])
def test_where_the_disk_has_no_locks_the_process_decides(project: Path, monkeypatch, alive, refused) -> None:
    def no_locks(descriptor: int) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(lock, "_lock_descriptor", no_locks)
    held = acquire(project)
    if not alive:
        dead = msgspec.structs.replace(held.holder, started=1.0)
        lock_path(project).write_bytes(msgspec.json.encode(dead))
    if refused:
        with pytest.raises(ProjectLockedError):
            acquire(project)
    else:
        acquire(project).release()


def test_a_folder_that_takes_no_lock_is_said_to_be_read_only(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match="Open it read-only"):
        acquire(tmp_path / "missing" / "labels.labeler")


def test_of_many_processes_that_come_at_once_exactly_one_gets_it(project: Path) -> None:
    lock_path(project).write_bytes(foreign(host=socket.gethostname(), pid=2**22 + 1))
    children = [start(project) for _ in range(6)]
    answers = [child.stdout.readline().split()[0] for child in children]
    for child in children:
        end(child)
    assert sorted(answers) == ["held", *["refused"] * 5]
