import struct

import numpy as np
import pytest

from labeler.errors import ModelError
from labeler.models.files.made import maker_of
from labeler.models.files.safetensors_file import header, load, save

METADATA = {"labeler": "instant", "format": "1", "categories": '["Straße", "木"]'}


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "weights.safetensors"
    tensors = {
        "weight": np.arange(12, dtype=np.float32).reshape(3, 4).T,  # not in C order
        "count": np.array(7, dtype=np.int64),
        "none": np.zeros((0, 4), dtype=np.float32),
    }
    save(path, tensors, METADATA)
    return path


def test_what_was_saved_comes_back(file) -> None:
    loaded = load(file)
    np.testing.assert_array_equal(loaded["weight"], np.arange(12, dtype=np.float32).reshape(3, 4).T)
    assert (loaded["count"].shape, loaded["count"].item(), loaded["count"].dtype) == ((), 7, np.int64)
    assert loaded["none"].shape == (0, 4)


def test_metadata_is_read_without_the_tensors(file) -> None:
    assert header(file) == METADATA
    assert maker_of(file) == "instant"


def test_the_file_is_what_the_library_reads(file) -> None:
    from safetensors import safe_open

    with safe_open(file, "numpy") as opened:
        assert opened.metadata() == METADATA
        assert set(opened.keys()) == {"weight", "count", "none"}


def test_a_file_without_metadata_is_nobodys(tmp_path) -> None:
    path = tmp_path / "plain.safetensors"
    save(path, {"a": np.ones(2, dtype=np.float32)}, {})
    assert header(path) == {}
    assert maker_of(path) == ""


def test_a_cut_off_file_is_said_to_be_one(file) -> None:
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(ModelError, match="cut off"):
        header(file)
    with pytest.raises(ModelError, match="damaged"):
        load(file)
    assert maker_of(file) == ""


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PK\x03\x04",
        b"PK\x03\x04" * 10,
        struct.pack("<Q", 1 << 62) + b"{}",
        struct.pack("<Q", 40) + b"{}",
        struct.pack("<Q", 2) + b"[]",
        struct.pack("<Q", 20) + b'{"a": {"shape": [1]}}'[:20],
        struct.pack("<Q", 15) + b'{"a": {"b": 1}}',
        struct.pack("<Q", 24) + b'{"__metadata__": [1, 2]}',
        struct.pack("<Q", 200_006) + b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    ],
)
def test_other_files_are_refused_in_one_sentence(tmp_path, content) -> None:
    path = tmp_path / "other.safetensors"
    path.write_bytes(content)
    for read in (header, load):
        with pytest.raises(ModelError, match=r"“other.safetensors” is no safetensors file"):
            read(path)
    assert maker_of(path) == ""


def test_a_missing_file(tmp_path) -> None:
    with pytest.raises(FileNotFoundError):
        maker_of(tmp_path / "gone.safetensors")
    with pytest.raises(ModelError, match="cannot be read"):
        load(tmp_path / "gone.safetensors")


def test_a_failed_save_leaves_the_old_file(file, monkeypatch) -> None:
    before = file.read_bytes()
    monkeypatch.setattr("os.fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(OSError, match="No space"):
        save(file, {"weight": np.zeros(3, dtype=np.float32)}, {})
    assert file.read_bytes() == before
    assert [path.name for path in file.parent.iterdir()] == ["weights.safetensors"]
