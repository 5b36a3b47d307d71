import pytest

from labeler.core.model_titles import full_title, titles
from labeler.core.records import Model


def called(*models: tuple[str, str]) -> list[str]:
    return list(titles([Model(key, *one) for key, one in enumerate(models, 1)]).values())


@pytest.mark.parametrize(
    ("models", "expected"),
    [
        ([("yolov8n-coco", "8d6d3030")], ["yolov8n-coco"]),
        ([("Everything", "MobileSAM, 16 x 16 points")], ["Everything"]),
        ([("Instant 1", "1c2783a9"), ("Instant 1", "8d6d3030")], ["Instant 1", "Instant 1 (2)"]),
        ([("Yolo", "8d6d3030"), ("Yolo", "8d6d3030 + masks")], ["Yolo", "Yolo masks"]),
        ([("Bright", "1"), ("Bright", "2")], ["Bright 1", "Bright 2"]),
        ([("a", "defaced"), ("a", "effacedd")], ["a defaced", "a effacedd"]),
        ([("a (2)", ""), ("a", ""), ("a", "12345678")], ["a (2)", "a", "a (3)"]),
        ([], []),
    ],
)
def test_checksums_are_never_in_a_title_and_no_two_are_alike(
    models: list[tuple[str, str]], expected: list[str]
) -> None:
    assert called(*models) == expected


def test_the_version_is_in_the_tooltip() -> None:
    assert full_title(Model(1, "Instant 1", "1c2783a9")) == "Instant 1, version 1c2783a9"
    assert full_title(Model(1, "Instant 1")) == "Instant 1"
