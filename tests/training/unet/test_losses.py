"""Every loss against numbers worked by hand, and its gradient."""

import math

import numpy as np
import pytest
import torch

from labeler.training.unet import losses
from labeler.training.unet.label_maps import UNKNOWN
from labeler.training.unet.losses import LossWeights


def logits_of(*probabilities):
    """Logits (1, 2, 1, P) whose softmax gives the second class these probabilities."""
    second = torch.tensor(probabilities)
    return torch.stack((1 - second, second)).log()[None, :, None, :]


def truth(*classes):
    return torch.tensor(classes)[None, None, :]


def test_cross_entropy_is_the_mean_of_minus_the_logs():
    value = losses.cross_entropy(logits_of(0.5, 0.75), truth(1, 0))
    assert value.item() == pytest.approx((math.log(2) + math.log(4)) / 2, abs=1e-6)


def test_weighted_cross_entropy_is_the_weighted_mean():
    value = losses.cross_entropy(logits_of(0.5, 0.75), truth(1, 0), class_weights=torch.tensor([1.0, 3.0]))
    assert value.item() == pytest.approx((3 * math.log(2) + math.log(4)) / 4, abs=1e-6)


def test_weights_of_classes_follow_the_root_of_their_rarity():
    assert losses.class_weights(np.array([16, 1])) == pytest.approx([0.4, 1.6])
    assert losses.class_weights(np.array([16, 0, 1])) == pytest.approx([0.4, 0, 1.6])


def test_focal_loss_makes_easy_pixels_small():
    assert losses.focal(logits_of(0.5), truth(1)).item() == pytest.approx(0.25 * math.log(2), abs=1e-6)
    assert losses.focal(logits_of(0.9), truth(1)).item() == pytest.approx(0.01 * -math.log(0.9), abs=1e-6)
    plain = losses.focal(logits_of(0.9), truth(1), gamma=0.0)
    assert plain.item() == pytest.approx(-math.log(0.9), abs=1e-6)


def test_the_2_x_2_dice_loss_is_0_28():
    probabilities, true = [0.9, 0.2, 0.1, 0.3], [1.0, 0.0, 0.0, 0.0]
    value = losses.soft_dice_loss(torch.tensor([probabilities]), torch.tensor([true]))
    assert value.item() == pytest.approx(0.28, abs=1e-6)


def test_dice_loss_is_the_mean_over_the_classes_that_are_there():
    # background: p = 0.1, 0.8, 0.9, 0.7 of t = 0, 1, 1, 1, so 1 - 2 * 2.4 / (2.5 + 3) = 0.127
    logits = logits_of(0.9, 0.2, 0.1, 0.3).reshape(1, 2, 2, 2)
    value = losses.dice(logits, torch.tensor([[[1, 0], [0, 0]]]))
    assert value.item() == pytest.approx((0.28 + 1 - 4.8 / 5.5) / 2, abs=1e-6)
    third = torch.full((1, 1, 2, 2), -30.0)  # a class that no pixel has, nor is said to have
    widened = losses.dice(torch.cat((logits, third), dim=1), torch.tensor([[[1, 0], [0, 0]]]))
    assert widened.item() == pytest.approx(value.item(), abs=1e-6)


def test_boundary_loss_weighs_probabilities_by_their_distance_to_the_edge():
    assert losses.boundary(logits_of(0.8, 0.4), truth(1, 0)).item() == pytest.approx(-0.1, abs=1e-6)
    right, wrong = logits_of(0.99, 0.99, 0.01, 0.01), logits_of(0.01, 0.01, 0.99, 0.99)
    assert losses.boundary(right, truth(1, 1, 0, 0)) < 0 < losses.boundary(wrong, truth(1, 1, 0, 0))


def test_distances_are_negative_inside():
    found = losses.signed_distance(np.array([[True, True, False, False, False]]))
    assert found.tolist() == [[-2, -1, 1, 2, 3]]
    assert not losses.signed_distance(np.ones((3, 3), dtype=bool)).any()


def test_a_sum_names_its_parts():
    weights = LossWeights(cross_entropy=0.5, dice=2.0, focal=1.0, boundary=0.25)
    found = losses.weighted_sum(logits_of(0.8, 0.4), truth(1, 0), weights)
    assert set(found) == {"cross-entropy", "Dice", "focal", "boundary", "loss"}
    total = 0.5 * found["cross-entropy"] + 2 * found["Dice"] + found["focal"] + 0.25 * found["boundary"]
    assert found["loss"].item() == pytest.approx(total.item())
    assert set(losses.weighted_sum(logits_of(0.8), truth(1), LossWeights())) == {
        "cross-entropy",
        "Dice",
        "loss",
    }


EACH = {
    "cross-entropy": losses.cross_entropy,
    "weighted": lambda a, b: losses.cross_entropy(a, b, class_weights=torch.tensor([1.0, 2.0, 3.0])),
    "focal": losses.focal,
    "dice": losses.dice,
    "boundary": losses.boundary,
}


@pytest.mark.parametrize("name", EACH)
def test_gradients_are_finite_and_nothing_is_learnt_where_nothing_is_known(name):
    generator = torch.Generator().manual_seed(0)
    logits = (50 * torch.randn((2, 3, 6, 5), generator=generator)).requires_grad_()
    target = torch.randint(0, 3, (2, 6, 5), generator=generator)
    target[:, :2] = UNKNOWN
    EACH[name](logits, target).backward()
    assert torch.isfinite(logits.grad).all()
    assert logits.grad[:, :, 2:].any()
    assert not logits.grad[:, :, :2].any()


@pytest.mark.parametrize("name", EACH)
def test_a_batch_of_which_nothing_is_known_gives_0(name):
    logits = torch.zeros((1, 3, 4, 4), requires_grad=True)
    value = EACH[name](logits, torch.full((1, 4, 4), UNKNOWN))
    value.backward()
    assert value.item() == 0
    assert torch.isfinite(logits.grad).all()


@pytest.mark.parametrize("name", ["cross-entropy", "weighted", "focal", "dice", "boundary"])
def test_gradients_are_those_of_differences(name):
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn((1, 3, 2, 3), generator=generator, dtype=torch.float64, requires_grad=True)
    target = torch.tensor([[[0, 1, 2], [1, 1, UNKNOWN]]])
    weights = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)
    each = EACH | {"weighted": lambda a, b: losses.cross_entropy(a, b, class_weights=weights)}
    assert torch.autograd.gradcheck(lambda values: each[name](values, target), (logits,))
