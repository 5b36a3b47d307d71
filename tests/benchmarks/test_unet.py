"""Our U-Net against that of segmentation-models-pytorch on cells, and short floats: row 18 of the goals."""

import time

import numpy as np
import pytest
import torch

from labeler.models.pixels import objects
from labeler.training.augmentation import Augmentation, varied, window
from labeler.training.devices import short_float
from labeler.training.losses import Weights, weighted_sum
from labeler.training.pixel_model import PixelModel, Recipe
from labeler.training.segmentation import Judge
from labeler.training.unet import Architecture, Segmenting, build
from tests.benchmarks.cells import cells
from tests.benchmarks.harness import compare, report

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(900)]

IMAGES, HELD_OUT = 64, 16
STEPS, BATCH, SIDE = 120, 4, 128
RATE = 4e-3
OURS = Architecture(classes=2, width=16, depth=4, norm="group")


@pytest.fixture(scope="module")
def data():
    """64 pictures with the classes of their pixels: 48 to learn from, then 16 to be judged on."""
    made = [cells(seed) for seed in range(IMAGES)]
    return [(image, (owner > 0).astype(np.int16)) for image, owner in made]


def theirs(smp):
    """Their U-Net with the encoder that is most often taken, learnt from nothing as ours is."""
    return Segmenting(smp.Unet("resnet18", encoder_weights=None, classes=2), 32)


def tiles(pairs, step):
    """The batch of a step: the same for every network."""
    chance = np.random.default_rng(step)
    how, batch = Augmentation(any_way_up=True), []
    for _ in range(BATCH):
        image, classes = pairs[int(chance.integers(len(pairs)))]
        centre = chance.uniform(SIDE / 2, image.shape[0] - SIDE / 2, 2)
        around = window(image, classes, tuple(centre), 2 * int(np.ceil(SIDE * how.reach / 2)))
        batch.append(varied(*around, SIDE, how, chance))
    return torch.stack([image for image, _ in batch]), torch.stack([classes for _, classes in batch]).long()


def stepping(module, optimizer, *, short=None):
    """A function that learns from one batch, laid out as the module is."""

    def step(images, classes):
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cpu", dtype=short, enabled=short is not None):
            logits = module(images)
        weighted_sum(logits, classes, Weights())["loss"].backward()
        torch.nn.utils.clip_grad_norm_(module.parameters(), 5.0)
        optimizer.step()

    return step


def trained(module, pairs, *, steps=STEPS, short=None, channels_last=True):
    """Train for so many steps; gives the seconds of the middle one, without making its batch."""
    layout = torch.channels_last if channels_last else torch.contiguous_format
    module.to(memory_format=layout).train()
    shares = np.bincount(np.concatenate([classes.ravel() for _, classes in pairs]), minlength=2)
    module.expect((shares / shares.sum()).tolist())
    module.measure((0.4, 0.4, 0.4), (0.15, 0.15, 0.15))
    optimizer = torch.optim.AdamW(module.parameters(), lr=RATE, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, steps, pct_start=0.1)
    step, taken = stepping(module, optimizer, short=short), []
    for number in range(steps):
        images, classes = tiles(pairs, number)
        images = images.contiguous(memory_format=layout)
        begun = time.perf_counter()
        step(images, classes)
        taken.append(time.perf_counter() - begun)
        schedule.step()
    return float(np.median(taken))


def judged(module, pairs):
    """The metrics on held-out pictures."""
    model, judge = PixelModel(module.eval(), Recipe(OURS, tile=192), ("cell",)), Judge(("cell",))
    for image, classes in pairs:
        judge.add(objects(model.label(image))[0], classes)
    return judge.metrics()


def size(module):
    return sum(one.numel() for one in module.parameters()) / 1e6


def test_cells_against_segmentation_models_pytorch(data):
    smp = pytest.importorskip("segmentation_models_pytorch", reason="the extra is not installed")
    learnt, held_out = data[:-HELD_OUT], data[-HELD_OUT:]
    figures, seconds = {}, {}
    for name, make in (("ours", lambda: build(OURS)), ("theirs", lambda: theirs(smp))):
        torch.manual_seed(0)
        module = make()
        seconds[name] = trained(module, learnt)
        figures[name] = judged(module, held_out)
        told = ", ".join(f"{kind} {figures[name][kind]:.3f}" for kind in ("IoU", "Dice", "boundary IoU"))
        report(
            f"U-Net on cells, {name} ({size(module):.1f} M parameters, {STEPS} steps of {BATCH} x {SIDE}^2)",
            "ours at least as good as theirs",
            f"{told}, {seconds[name]:.3f} s a step",
        )
    assert figures["ours"]["IoU"] >= figures["theirs"]["IoU"]
    assert seconds["ours"] <= seconds["theirs"]


def test_a_step_in_short_floats():
    images, classes = torch.randint(0, 256, (4, 3, 256, 256), dtype=torch.uint8), torch.ones((4, 256, 256))
    classes[:, ::3] = 0
    variants = {}
    ways = {"plain": (None, False), "channels last": (None, True), "bf16": (torch.bfloat16, True)}
    for name, (short, channels_last) in ways.items():
        torch.manual_seed(0)
        layout = torch.channels_last if channels_last else torch.contiguous_format
        module = build(Architecture(classes=2, width=16, depth=4)).to(memory_format=layout).train()
        step = stepping(module, torch.optim.AdamW(module.parameters(), lr=1e-3), short=short)
        laid_out = images.contiguous(memory_format=layout)
        variants[name] = lambda step=step, laid_out=laid_out: step(laid_out, classes.long())
    timings = compare(variants, baseline="plain")
    has_short = short_float(torch.device("cpu")) is not None
    chosen, goal = ("bf16", 0.5) if has_short else ("channels last", 0.85)
    for name in ("channels last", "bf16"):
        row = f"18 a U-Net step, {name}{', what is chosen here' if name == chosen else ''}"
        report(row, f"<= {goal} x plain" if name == chosen else "reported", timings.figure(name))
    assert timings.ratio(chosen) <= goal


def test_short_floats_learn_as_well(data):
    learnt, held_out = data[:-HELD_OUT], data[-HELD_OUT:]
    dice = {}
    for name, short in (("fp32", None), ("bf16", torch.bfloat16)):
        torch.manual_seed(0)
        module = build(Architecture(classes=2, width=8, depth=4))
        trained(module, learnt, short=short)
        dice[name] = judged(module, held_out)["Dice"]
    report("18 Dice after bf16", "within 0.01 of fp32", f"{dice['bf16']:.4f} against {dice['fp32']:.4f}")
    assert abs(dice["bf16"] - dice["fp32"]) <= 0.01
