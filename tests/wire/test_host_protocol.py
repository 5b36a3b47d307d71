import contextlib
import zlib

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeler.core.records import Mask, Proposal
from labeler.wire import host_protocol
from labeler.wire.host_protocol import (
    LIMIT,
    Ahead,
    Answered,
    Ask,
    AskFailed,
    Beat,
    Frames,
    Hello,
    Open,
    PackedProposal,
    ProtocolError,
    decode_from_host,
    decode_to_host,
    frame,
    pack,
    pack_all,
    unpack,
)

TO_HOST = [
    Open("a", "/photos/ä b.jpg"),
    Ahead((("b", "/b.jpg"), ("c", "/c.jpg"))),
    Ask(7, "a", ((1.5, 2.5),), (True,), (0.0, 0.0, 5.0, 5.0), (3, 1), hover=True),
    host_protocol.Stop(),
]
FROM_HOST = [Hello(1, 5), Beat(3), AskFailed("No.", 2, "a"), Answered(7, "a", False, (), 1.25)]


@pytest.mark.parametrize("message", TO_HOST, ids=lambda message: type(message).__name__)
def test_what_is_sent_to_the_host_arrives_as_it_was(message) -> None:
    (body,) = Frames().feed(frame(message))
    assert decode_to_host(body) == message


@pytest.mark.parametrize("message", FROM_HOST, ids=lambda message: type(message).__name__)
def test_what_the_host_sends_arrives_as_it_was(message) -> None:
    (body,) = Frames().feed(frame(message))
    assert decode_from_host(body) == message


@given(st.data())
def test_frames_survive_being_cut_anywhere(data) -> None:
    stream = b"".join(frame(message) for message in TO_HOST)
    cuts = sorted(data.draw(st.sets(st.integers(0, len(stream)), max_size=20)))
    frames = Frames()
    bodies = []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        bodies += frames.feed(stream[start:end])
    assert [decode_to_host(body) for body in bodies] == TO_HOST


def test_a_frame_that_claims_to_be_huge_is_refused_before_it_is_read() -> None:
    with pytest.raises(ProtocolError, match="over the limit"):
        Frames().feed((LIMIT + 1).to_bytes(4, "big"))


def test_a_message_over_the_limit_is_not_sent() -> None:
    packed = PackedProposal(0, 0, 8 * LIMIT, 1, bytes(LIMIT), 0.5)
    with pytest.raises(ProtocolError, match="over the limit"):
        frame(Answered(1, "a", False, (packed,), 0.0))


@given(st.binary(max_size=200))
def test_garbage_is_an_error_of_ours(body) -> None:
    with contextlib.suppress(ProtocolError):  # and nothing else
        decode_from_host(body)


@pytest.mark.parametrize(
    "fields",
    [
        {"type": "Ask", "id": 1, "key": "a", "points": [[1.0, 2.0]], "positive": []},
        {"type": "Ask", "id": 1, "key": "a", "points": [[1.0, float("nan")]], "positive": [True]},
        {"type": "Ask", "id": 1, "key": "a", "box": [0.0, 0.0, float("inf"), 1.0]},
        {"type": "Open", "key": 3, "path": "a"},
        {"type": "Unknown"},
    ],
    ids=["count", "nan", "infinite", "type", "unknown"],
)
def test_messages_are_checked(fields) -> None:
    with pytest.raises(ProtocolError):
        decode_to_host(msgspec.msgpack.encode(fields))


@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 2**32 - 1))
def test_a_mask_comes_back_bit_for_bit(height, width, seed) -> None:
    bits = np.random.default_rng(seed).random((height, width)) < 0.5
    proposal = Proposal(Mask(3, 4, bits), 0.75, np.ones((2, 2), dtype=np.float32))
    again = unpack(pack(proposal))
    assert again.mask == proposal.mask
    assert again.confidence == 0.75
    assert again.logits.shape == (0, 0)


def test_a_large_mask_goes_deflated_and_comes_back_bit_for_bit() -> None:
    bits = np.zeros((3001, 3003), np.bool_)
    bits[500:2500, 700:2900] = True
    packed = pack(Proposal(Mask(1, 2, bits), 0.5, np.zeros((1, 1))))
    assert packed.is_deflated
    assert len(packed.bits) < packed.length / 20
    assert unpack(packed).mask == Mask(1, 2, bits)
    for bad in (b"no zlib", zlib.compress(b"short")):
        with pytest.raises(ProtocolError, match="could not be read"):
            unpack(msgspec.structs.replace(packed, bits=bad))
    with pytest.raises(ValueError, match="fill"):
        msgspec.structs.replace(packed, width=1 << 20, height=1 << 20)


def test_of_masks_too_large_for_one_message_the_first_ones_go(monkeypatch) -> None:
    monkeypatch.setattr(host_protocol, "MASKS_LIMIT", 100)
    rows = [
        Proposal(Mask(0, 0, np.ones((10, width), np.bool_)), 0.5, np.zeros((1, 1))) for width in (40, 40, 8)
    ]
    assert [one.width for one in pack_all(rows)] == [40, 40]
    assert [one.width for one in pack_all(rows[2:])] == [8]
    huge = Proposal(Mask(0, 0, np.ones((10, 400), np.bool_)), 0.5, np.zeros((1, 1)))
    assert [one.width for one in pack_all([huge, *rows])] == [400], "one in any case"
    assert pack_all([]) == ()


def test_bits_that_do_not_fill_their_box_are_refused() -> None:
    body = msgspec.msgpack.encode(
        {"type": "Answered", "id": 1, "key": "a", "hover": False, "proposals": [[0, 0, 9, 9, b"\0", 0.5]],
         "milliseconds": 1.0}
    )  # fmt: skip
    with pytest.raises(ProtocolError, match="fill"):
        decode_from_host(body)
