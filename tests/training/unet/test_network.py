"""The network: sizes, its beginning, what it is chosen by, tiles, and what it can learn."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from msgspec import structs

from labeler.core.records import Annotation, Box, Category
from labeler.errors import ModelError
from labeler.models.input_pixels import blended, candidates, objects
from labeler.training.data import LabelledImage, LabelledSet
from labeler.training.unet.losses import LossWeights, weighted_sum
from labeler.training.unet.network import Architecture, UNet, build
from labeler.training.unet.pixel_model import PixelModel, Recipe
from labeler.training.unet.plan import UnetPlan, planned

NO_EXTRA = "the extra pretrained-encoders is not installed"

SMALL = Architecture(classes=3, width=8, depth=2, norm="batch")


@pytest.fixture(autouse=True)
def one_thread():
    """Small work; threads that wait for each other only cost."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(before)


def pictures(*size):
    return torch.randint(0, 256, size, dtype=torch.uint8)


# --- the network --------------------------------------------------------------------------------------
@pytest.mark.parametrize("size", [(1, 1), (1, 7), (13, 5), (32, 32), (31, 45)])
@pytest.mark.parametrize("norm", ["group", "batch"])
def test_any_size_gives_as_many_pixels(size, norm):
    module = build(Architecture(classes=4, width=8, depth=3, norm=norm)).eval()
    assert module(pictures(1, 3, *size)).shape == (1, 4, *size)


def test_padding_below_and_right_changes_nothing_else():
    """An image with its edges carried on by hand gives the same where the image is."""
    module = build(SMALL).eval()
    image = pictures(1, 3, 10, 13)
    padded = torch.nn.functional.pad(image.float(), (0, 3, 0, 2), mode="replicate").to(torch.uint8)
    assert torch.allclose(module(image), module(padded)[..., :10, :13], atol=1e-6)


def test_width_doubles_with_each_level():
    network = UNet(Architecture(classes=2, width=16, depth=4))
    assert [block.second.out_channels for block in network.down] == [32, 64, 128, 256]
    assert [block.second.out_channels for block in network.up] == [128, 64, 32, 16]


def test_it_begins_with_the_shares_of_the_classes_as_its_guess():
    module = build(SMALL).eval()
    module.expect([0.9, 0.08, 0.02])
    shares = module(pictures(2, 3, 16, 16)).softmax(dim=1).mean(dim=(0, 2, 3))
    assert shares.tolist() == pytest.approx([0.9, 0.08, 0.02], abs=0.06)


def test_signals_neither_fade_nor_grow_with_depth():
    network = UNet(Architecture(classes=2, width=16, depth=5)).train()
    x = torch.randn(2, 3, 64, 64)
    spreads = []
    for block in network.down:
        block.register_forward_hook(lambda _module, _inputs, output: spreads.append(output.std().item()))
    network(x)
    assert all(0.2 < spread < 20 for spread in spreads)


def test_every_parameter_is_learnt():
    module = build(SMALL).train()
    target = torch.randint(0, 3, (2, 16, 16))
    weighted_sum(module(pictures(2, 3, 16, 16)), target, LossWeights())["loss"].backward()
    assert all(one.grad is not None and one.grad.any() for one in module.parameters())


@pytest.mark.parametrize("norm", ["group", "batch"])
def test_two_images_are_learnt_by_heart(norm):
    rng = np.random.default_rng(0)
    truth = torch.zeros((2, 32, 32), dtype=torch.int64)
    truth[0, 6:15, 4:20], truth[0, 20:28, 12:30] = 1, 2
    truth[1, 2:12, 18:30], truth[1, 16:30, 3:13] = 2, 1
    image = torch.from_numpy(rng.integers(0, 60, (2, 3, 32, 32), dtype=np.uint8))
    image[:, 0] += (80 * (truth == 1)).to(torch.uint8)
    image[:, 1] += (80 * (truth == 2)).to(torch.uint8)
    module = build(Architecture(classes=3, width=8, depth=2, norm=norm)).train()
    optimizer = torch.optim.AdamW(module.parameters(), lr=1e-2)
    for _ in range(60):
        optimizer.zero_grad()
        loss = weighted_sum(module(image), truth, LossWeights())["loss"]
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.1
    found = module.eval()(image).argmax(dim=1)
    assert (found == truth).float().mean() > 0.99


def test_an_encoder_that_does_not_exist_is_named():
    pytest.importorskip("segmentation_models_pytorch", reason=NO_EXTRA)
    with pytest.raises(ModelError, match="no encoder “resnet17”"):
        build(Architecture(classes=2, encoder="resnet17"))


def test_another_encoder_takes_any_size_and_no_network():
    pytest.importorskip("segmentation_models_pytorch", reason=NO_EXTRA)
    module = build(Architecture(classes=2, encoder="mobilenet_v2")).eval()
    assert module(pictures(1, 3, 40, 33)).shape == (1, 2, 40, 33)


def test_an_encoder_without_the_extra_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "segmentation_models_pytorch", None)
    with pytest.raises(ModelError, match="install Labeler with the extra `pretrained-encoders`"):
        build(Architecture(classes=2, encoder="resnet18"))


# --- its sizes ----------------------------------------------------------------------------------------
PLAN = UnetPlan(epochs=1, rate=0.004)


def labelled(size, side):
    """One image with an object whose box has sides of so many pixels."""
    annotations = (Annotation(1, 1, 1, Box(0, 0, side, side)),)
    image = LabelledImage("a.png", Path("a.png"), size, annotations)
    return LabelledSet((Category(1, "cell", "#ffffff"),), (image,))


def test_large_objects_have_images_resized_and_small_ones_tiles():
    cells = planned(labelled((2000, 3000), 30), PLAN, memory=8 << 30, gpu=False)
    assert (cells.whole, cells.tile, cells.width, cells.batch, cells.norm) == (False, 256, 16, 4, "batch")
    people = planned(labelled((2000, 3000), 900), PLAN, memory=8 << 30, gpu=False)
    assert people.whole


def test_depth_follows_the_objects():
    depths = [
        planned(
            labelled((4096, 4096), side), structs.replace(PLAN, images="tiles"), memory=8 << 30, gpu=True
        ).depth
        for side in (8, 40, 200)
    ]
    assert depths == sorted(depths)
    assert depths[0] == 3
    assert depths[-1] == 5


def test_memory_bounds_batch_and_width():
    small = planned(labelled((600, 600), 40), PLAN, memory=2 << 30, gpu=True)
    large = planned(labelled((600, 600), 40), PLAN, memory=70 << 30, gpu=True)
    assert small.batch < large.batch
    assert small.norm == "group"
    assert large.norm == "batch"
    assert small.width < large.width


def test_a_batch_that_measures_little_is_normalised_by_groups():
    few = planned(labelled((600, 600), 40), structs.replace(PLAN, batch=3), memory=8 << 30, gpu=False)
    tiny = planned(labelled((7, 7), 3), PLAN, memory=8 << 30, gpu=False)
    assert (few.norm, tiny.norm) == ("group", "group")
    assert (tiny.tile, tiny.batch) == (8, 4)


def test_a_tile_is_no_larger_than_the_images():
    assert planned(labelled((100, 130), 20), PLAN, memory=8 << 30, gpu=False).tile == 136


def test_what_is_set_is_kept():
    chosen = UnetPlan(epochs=1, rate=0.004, size=128, images="resize", depth=2, width=24, batch=3)
    plan = planned(labelled((600, 600), 40), chosen, memory=8 << 30, gpu=False)
    assert (plan.tile, plan.whole, plan.depth, plan.width, plan.batch) == (128, True, 2, 24, 3)


# --- tiles and objects --------------------------------------------------------------------------------
def test_tiles_give_what_the_whole_image_gives():
    """With a batch norm no tile knows more than what its convolutions reach: the middle is the same."""
    module = build(SMALL).eval()
    image = np.random.default_rng(0).integers(0, 256, (200, 230, 3), dtype=np.uint8)
    in_tiles = PixelModel(module, Recipe(SMALL, tile=128), ("a", "b"))
    at_once = PixelModel(module, Recipe(SMALL, tile=256), ("a", "b"))
    found, expected = in_tiles.label(image), at_once.label(image)
    assert found.shape == (3, 200, 230)
    assert np.abs(found.sum(axis=0) - 1).max() < 1e-5
    assert np.abs(expected - expected.mean()).max() > 0.01
    assert np.abs(found - expected).max() < 0.01


@pytest.mark.parametrize("size", [(64, 64), (65, 64), (64, 127), (200, 71), (1, 300)])
def test_tiles_cover_every_pixel_and_fade_into_each_other(size):
    """Tiles that give back the image itself are put together to the image itself."""
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    seen = []

    def run(tile):
        seen.append(tile.shape[:2])
        return tile.transpose(2, 0, 1).astype(np.float32)

    found = blended(image, run, tile=64, overlap=16)
    assert np.abs(found - image.transpose(2, 0, 1)).max() < 1e-3
    assert max(max(shape) for shape in seen) <= 64


def test_an_image_is_resized_and_its_probabilities_back():
    model = PixelModel(build(SMALL).eval(), Recipe(SMALL, tile=64, whole=True), ("a", "b"))
    found = model.label(np.zeros((150, 201, 3), np.uint8))
    assert found.shape == (3, 150, 201)
    assert np.abs(found.sum(axis=0) - 1).max() < 1e-5


def probabilities(classes, count):
    """Probabilities (count, H, W) of a drawn label map: 0.8 for what is drawn."""
    classes = np.array(classes)
    values = np.full((count, *classes.shape), 0.2 / (count - 1), dtype=np.float32)
    np.put_along_axis(values, classes[None], 0.8, axis=0)
    return values


def test_objects_are_connected_components_with_their_mean_probability():
    values = probabilities([[1, 1, 0, 2], [1, 0, 0, 2], [0, 1, 0, 0]], 3)
    values[:, 0, 3] = 0.1, 0.3, 0.6
    found = candidates(values, ("cell", "crack"))
    assert [(one.label, round(one.confidence, 6)) for one in found] == [("cell", 0.8), ("crack", 0.7)]
    assert (found[0].shape.x, found[0].shape.y) == (0, 0)
    assert found[0].shape.bits.tolist() == [[True, True], [True, False], [False, True]]
    assert (found[1].shape.x, found[1].shape.y, found[1].shape.bits.shape) == (3, 0, (2, 1))
    assert [one.label for one in candidates(values, ("cell", "crack"), least=3)] == ["cell"]
    assert candidates(probabilities([[0, 0]], 3), ("cell", "crack")) == ()


def test_a_seam_parts_objects_and_is_given_back_to_them():
    row = [0, 1, 1, 1, 0, 0, 1, 1, 1, 0]
    values = probabilities([row, row, row], 2)
    classes, owners = objects(values, seams=True)
    assert classes[1].tolist() == [0, 1, 1, 1, 1, 1, 1, 1, 1, 0]
    assert owners[1].tolist() == [0, 1, 1, 1, 1, 2, 2, 2, 2, 0]
    assert objects(values)[0][1].tolist() == row
