"""Pixels of label maps, counted by hand."""

import numpy as np
import pytest

from labeler.training.unet.label_maps import label_confusion


def test_pixels_are_counted_by_true_and_predicted_class():
    truth = np.array([[0, 0, 1], [1, 2, 2]])
    prediction = np.array([[0, 1, 1], [1, 2, 0]])
    assert label_confusion(prediction, truth, classes=3).tolist() == [[1, 1, 0], [0, 2, 0], [1, 0, 1]]


def test_ignored_pixels_do_not_count():
    truth = np.array([[0, 255], [1, 1]], dtype=np.uint8)
    prediction = np.array([[0, 1], [1, 1]], dtype=np.uint8)
    assert label_confusion(prediction, truth, classes=2, ignore=255).tolist() == [[1, 0], [0, 2]]


def test_label_maps_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="differ in shape"):
        label_confusion(np.zeros((2, 2), int), np.zeros((2, 3), int), classes=2)
    with pytest.raises(ValueError, match="truth has values outside the classes 0 to 1"):
        label_confusion(np.zeros(3, int), np.array([0, 1, 2]), classes=2)
