"""What a job and the window say to each other arrives as it was, and nothing else is believed."""

import contextlib

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeler.core.records import Box, Candidate, Mask, Part, Polygons
from labeler.wire import host_protocol
from labeler.wire.host_protocol import Frames, ProtocolError, frame
from labeler.wire.job_protocol import (
    Done,
    Loaded,
    Missed,
    PackedCandidates,
    Predicted,
    PredictSpec,
    decode_from_job,
    decode_to_job,
    pack_candidates,
    unpack_candidates,
)

RING = np.array([[0.5, 0.25], [9.0, 0.0], [5.0, 7.125]])
SHAPES = [
    Box(0.1, 0.2, 10.3, 20.7),
    Mask(3, 4, np.array([[True, False, True], [False, True, True]])),
    Mask(0, 0, np.zeros((0, 0), dtype=bool)),
    Mask(7, 1, np.random.default_rng(0).random((90, 110)) > 0.5),
    Polygons((Part(RING, (RING / 2,)),)),
]


def candidate(shape=SHAPES[0], confidence=0.5, label="bus") -> Candidate:
    return Candidate(0, 0, 0, 0, shape, confidence, label)


@pytest.mark.parametrize(
    "message",
    [PredictSpec("yolo11n", ((1, "/ä b.jpg"), (7, "c.jpg")), "a red bus", True, 2), host_protocol.Stop()],
    ids=lambda message: type(message).__name__,
)
def test_what_is_sent_to_the_job_arrives_as_it_was(message) -> None:
    (body,) = Frames().feed(frame(message))
    assert decode_to_job(body) == message


@pytest.mark.parametrize(
    "message",
    [
        Loaded("YOLO"),
        Predicted(3, pack_candidates([candidate(shape, n / 10) for n, shape in enumerate(SHAPES)]), 1.5),
        Missed(3, "No."),
        Done(),
        host_protocol.Beat(3),
        host_protocol.AskFailed("No."),
    ],
    ids=lambda message: type(message).__name__,
)
def test_what_the_job_sends_arrives_as_it_was(message) -> None:
    (body,) = Frames().feed(frame(message))
    assert decode_from_job(body) == message


def test_candidates_come_back_exactly_in_their_order() -> None:
    candidates = [candidate(shape, 1 / (n + 3), "ab"[n % 2]) for n, shape in enumerate(SHAPES)]
    packed = pack_candidates(candidates)
    assert packed.labels == ("a", "b")
    assert list(unpack_candidates(packed)) == candidates
    assert unpack_candidates(pack_candidates([])) == ()


def test_only_what_a_model_knows_goes_over_the_wire() -> None:
    known = Candidate(9, 8, 7, 6, Box(0, 0, 1, 1), 0.5, "bus", "accepted")
    assert unpack_candidates(pack_candidates([known])) == (candidate(Box(0, 0, 1, 1)),)


@pytest.mark.parametrize(
    "columns",
    [((b"x",), (), (), ()), ((b"x",), (0.5,), (1,), ("bus",)), ((b"x",), (0.5,), (-1,), ("bus",))],
    ids=["lengths", "no such label", "a negative label"],
)
def test_columns_that_do_not_fit_are_refused(columns) -> None:
    body = msgspec.msgpack.encode({"type": "Predicted", "image_id": 1, "found": columns, "milliseconds": 1.0})
    with pytest.raises(ProtocolError, match="could not be read"):
        decode_from_job(body)


def test_a_shape_that_is_none_is_refused() -> None:
    with pytest.raises(ProtocolError, match="could not be read"):
        unpack_candidates(PackedCandidates((b"B123",), (0.5,), (0,), ("bus",)))


@given(st.binary(max_size=200))
def test_garbage_is_refused(data) -> None:
    for decode in (decode_to_job, decode_from_job):
        with contextlib.suppress(ProtocolError):
            decode(data)
