"""`labeler agree` as a person types it."""

import json
from pathlib import Path

import pytest

from tests.cli.typed import labeler


def annotation(key, image, category, box, **more):
    return {
        "id": key,
        "image_id": image,
        "category_id": category,
        "bbox": box,
        "area": 1,
        "iscrowd": 0,
        **more,
    }


def result(image, category, box, score=0.9):
    return {"image_id": image, "category_id": category, "bbox": box, "score": score}


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """Two images with foreign ids; a pair of IoU 0.8, one of 1, one missed, one extra."""
    labels, results = tmp_path / "labels.json", tmp_path / "results.json"
    labels.write_text(
        json.dumps(
            {
                "images": [
                    {"id": 70, "file_name": "a.jpg", "width": 100, "height": 100},
                    {"id": 80, "file_name": "b.jpg", "width": 100, "height": 100},
                ],
                "categories": [{"id": 5, "name": "cat"}, {"id": 9, "name": "dog"}],
                "annotations": [
                    annotation(1, 70, 5, [0, 0, 10, 10]),
                    annotation(2, 80, 5, [50, 50, 10, 10]),
                    annotation(3, 80, 9, [0, 0, 10, 10]),
                ],
            }
        )
    )
    results.write_text(
        json.dumps(
            [
                result(70, 5, [0, 0, 10, 8]),
                result(80, 5, [50, 50, 10, 10]),
                result(80, 5, [80, 80, 10, 10], 0.3),
            ]
        )
    )
    return labels, results


def test_a_table_by_category_with_the_total_and_the_worst_images(files):
    done = labeler("agree", *files)
    assert (done.returncode, done.stderr) == (0, "")
    lines = [line.split() for line in done.stdout.splitlines()]
    assert lines[0] == "Pairs from IoU 0.5, one to one.".split()
    assert lines[2] == ["cat", "2", "0", "1", "0.900", "0.944", "0.800"]
    assert lines[3] == ["dog", "0", "1", "0", "–", "–", "0.000"]
    assert lines[4] == ["all", "2", "1", "1", "0.900", "0.944", "0.667"]
    assert lines[-2:] == [["0.500", "b.jpg"], ["0.800", "a.jpg"]]


def test_json_has_the_same_numbers(files):
    done = labeler("agree", *files, "--json", "--iou", "0.85", "--conf", "0.5")
    assert done.returncode == 0
    told = json.loads(done.stdout)
    assert told["iou_threshold"] == 0.85
    assert told["images"] == 2
    # the pair of IoU 0.8 is none, and the result of 0.3 is left out
    assert {key: told["total"][key] for key in ("matched", "missed", "extra", "mean_iou")} == {
        "matched": 1,
        "missed": 2,
        "extra": 1,
        "mean_iou": 1.0,
    }
    assert [one["name"] for one in told["categories"]] == ["cat", "dog"]
    assert [(one["id"], one["file_name"]) for one in told["worst_images"]] == [(70, "a.jpg"), (80, "b.jpg")]


def test_what_is_refused_is_told_and_is_exit_code_1(files):
    labels, results = files
    results.write_text(json.dumps([result(70, 5, [0, 0, 10, 8]), result(99, 5, [0, 0, 1, 1])]))
    done = labeler("agree", labels, results)
    assert done.returncode == 1
    assert "image_id" in done.stderr
    assert "cat" in done.stdout


def test_wrong_calls(files, tmp_path):
    labels, results = files
    assert labeler("agree", labels).returncode == 2
    assert labeler("agree", labels, results, "--iou", "1.5").returncode == 2
    done = labeler("agree", labels, tmp_path / "none.json")
    assert done.returncode == 1
    assert done.stderr.startswith("labeler: ")
    assert done.stderr.count("\n") == 1


def test_at_most_so_many_wrong(tmp_path: Path, capsys):
    """100 cats found, the least sure one falsely; a dog."""
    labels, results = tmp_path / "labels.json", tmp_path / "results.json"
    images = [{"id": n, "file_name": f"{n}.jpg", "width": 100, "height": 100} for n in range(1, 101)]
    found = [result(n, 5, [0, 0, 10, 10], score=0.5 + n / 250) for n in range(1, 101)]
    labels.write_text(
        json.dumps(
            {
                "images": images,
                "categories": [{"id": 5, "name": "cat"}, {"id": 9, "name": "dog"}],
                "annotations": [annotation(n, n, 5, [0, 0, 10, 10]) for n in range(2, 101)],
            }
        )
    )
    results.write_text(json.dumps([*found, result(3, 9, [50, 50, 10, 10])]))
    done = labeler("agree", str(labels), str(results), "--at-most", "0.05")
    assert (done.returncode, done.stderr) == (0, "")
    assert "At most 5.00 % wrong, with 95 % confidence:" in done.stdout
    assert "  cat: from a confidence of 0.504, where 1 of 100 are wrong (0.1 % to 4.7 %)\n" in done.stdout
    assert "  dog: none yet (1 so far, 1 wrong)\n" in done.stdout
    told = labeler("agree", str(labels), str(results), "--at-most", "0.05", "--json")
    promised = json.loads(told.stdout)["promises"]
    assert [one["name"] for one in promised] == ["all", "cat", "dog"]
    assert (promised[1]["confidence"], promised[2]["confidence"]) == (pytest.approx(0.504), None)


def test_doubtful_labels(tmp_path: Path):
    """A cat that is predicted and not labelled, and a label of another category than predicted."""
    labels, results = tmp_path / "labels.json", tmp_path / "results.json"
    labels.write_text(
        json.dumps(
            {
                "images": [{"id": 1, "file_name": "a.jpg", "width": 100, "height": 100}],
                "categories": [{"id": 5, "name": "cat"}, {"id": 9, "name": "dog"}],
                "annotations": [annotation(31, 1, 5, [0, 0, 10, 10]), annotation(32, 1, 5, [50, 0, 10, 10])],
            }
        )
    )
    found = [(5, [0, 0, 10, 10], 0.9), (9, [50, 0, 10, 10], 0.7), (5, [80, 80, 10, 12], 0.95)]
    results.write_text(json.dumps([result(1, *one) for one in found]))
    done = labeler("agree", str(labels), str(results), "--doubts", "5")
    assert done.stdout.endswith(
        "\nDoubtful labels:\n"
        "  0.95  missed    cat  a.jpg  (80, 80, 10, 12)\n"
        "  0.70  misnamed  dog  a.jpg  (50, 0, 10, 10)\n"
    )
    told = json.loads(labeler("agree", str(labels), str(results), "--doubts", "1", "--json").stdout)["doubts"]
    assert [(one["kind"], one["annotation_id"], one["bbox"]) for one in told] == [
        ("missed", None, [80.0, 80.0, 10.0, 12.0])
    ]
    results.write_text(json.dumps([result(1, 5, [0, 0, 10, 10])]))
    assert labeler("agree", str(labels), str(results), "--doubts", "5").stdout.endswith(
        "\nNo label is doubtful.\n"
    )
