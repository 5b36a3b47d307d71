import os
from pathlib import Path

import numpy as np
import pytest

from labeler.core.photos.images import read_pixels
from labeler.errors import ImageError
from labeler.models.embedder import Embedder
from labeler.models.embeddings import EmbeddingCache, content_digest
from labeler.models.protocols import Embedding


def embedding(seed: int = 0, shape: tuple[int, ...] = (2, 30, 40)) -> Embedding:
    values = np.random.default_rng(seed).normal(size=shape).astype(np.float32)
    return Embedding({"image": values, "fine": values[:1] * 100}, (480, 640))


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_what_was_put_comes_back_to_half_precision(tmp_path) -> None:
    cache = EmbeddingCache(tmp_path)
    made = embedding()
    cache.put("model", "digest", made)
    again = EmbeddingCache(tmp_path).get("model", "digest")
    assert again is not None
    assert again.size == (480, 640)
    assert list(again.arrays) == ["image", "fine"]
    for name, values in made.arrays.items():
        assert again.arrays[name].dtype == np.float32
        np.testing.assert_allclose(again.arrays[name], values, rtol=1e-3, atol=1e-6)
    (path,) = files(tmp_path)
    assert path.stat().st_size < 3 * 30 * 40 * 2 + 200


def test_another_model_or_image_is_a_miss(tmp_path) -> None:
    cache = EmbeddingCache(tmp_path)
    cache.put("model", "digest", embedding())
    assert cache.get("other", "digest") is None
    assert cache.get("model", "other") is None


@pytest.mark.parametrize("damage", ["flipped", "cut", "empty", "longer", "foreign"])
def test_a_damaged_file_is_a_miss_and_goes(tmp_path, damage, expect_log) -> None:
    expect_log("Dropped the cached embedding")
    cache = EmbeddingCache(tmp_path)
    cache.put("model", "digest", embedding())
    (path,) = files(tmp_path)
    data = path.read_bytes()
    middle = len(data) // 2
    path.write_bytes(
        {
            "flipped": data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :],
            "cut": data[:middle],
            "empty": b"",
            "longer": data + b"x",
            "foreign": b"something else altogether" * 100,
        }[damage]
    )
    assert cache.get("model", "digest") is None
    assert not files(tmp_path)


def test_the_least_recently_used_goes_first(tmp_path) -> None:
    cache = EmbeddingCache(tmp_path)
    cache.put("model", "measure", embedding())
    (measure,) = files(tmp_path)
    size = measure.stat().st_size
    measure.unlink()
    cache = EmbeddingCache(tmp_path, limit=3 * size + 10)
    for name in ("a1", "b2", "c3"):
        cache.put("model", name, embedding())
    for place, path in enumerate(files(tmp_path)):
        os.utime(path, (1000 + place, 1000 + place))
    assert cache.get("model", "a1") is not None  # used: now b2 is the oldest
    cache.put("model", "d4", embedding())
    assert [name for name in ("a1", "b2", "c3", "d4") if cache.get("model", name)] == ["a1", "c3", "d4"]
    assert sum(path.stat().st_size for path in files(tmp_path)) <= 3 * size + 10


def test_what_half_precision_cannot_hold_is_not_kept(tmp_path) -> None:
    cache = EmbeddingCache(tmp_path)
    for bad in (1e6, np.inf, np.nan):
        cache.put("model", "digest", Embedding({"a": np.array([bad], dtype=np.float32)}, (1, 1)))
    assert not files(tmp_path)


def test_a_disk_that_refuses_costs_only_the_cache(tmp_path, expect_log) -> None:
    expect_log("Could not cache an embedding")
    blocked = tmp_path / "file"
    blocked.write_bytes(b"")
    cache = EmbeddingCache(blocked)
    cache.put("model", "digest", embedding())
    assert cache.get("model", "digest") is None


class Counting:
    """A model that counts how often it is asked for an embedding."""

    def __init__(self) -> None:
        self.count = 0

    def embed(self, image, *, threads=0, interrupt=None) -> Embedding:
        self.count += 1
        return Embedding({"mean": image.mean(axis=(0, 1), dtype=np.float32)}, image.shape[:2])

    def segment(self, embedding, prompt, *, threads=0, limit=3):
        return ()


def test_an_image_is_encoded_once_wherever_it_is_moved(tmp_path, photo) -> None:
    model = Counting()
    embedder = Embedder(model, "model", EmbeddingCache(tmp_path / "cache"))
    first = embedder.embed(photo)
    assert first.embedding.size == read_pixels(photo).rgb.shape[:2]
    first.store()
    moved = photo.rename(photo.with_name("moved.jpg"))
    assert embedder.embed(moved).embedding is first.embedding
    fresh = Embedder(model, "model", EmbeddingCache(tmp_path / "cache"))
    assert fresh.embed(moved).embedding.size == first.embedding.size
    assert model.count == 1
    moved.write_bytes(moved.read_bytes() + b"changed")
    assert content_digest(moved)
    embedder.embed(moved)
    assert model.count == 2


def test_an_image_that_is_gone_is_one_sentence(tmp_path) -> None:
    embedder = Embedder(Counting(), "model", EmbeddingCache(tmp_path / "cache"))
    with pytest.raises(ImageError, match=r"gone\.jpg is missing: put it back, or locate"):
        embedder.embed(tmp_path / "gone.jpg")
