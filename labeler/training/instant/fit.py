"""Training of the instant head. Import it inside functions, for it imports torch.

Only some cells are looked at in a step, in objects and outside, drawn by chance. The detector itself stays
as it is; what it sees was worked out before.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from labeler.core.measures.overlap import box_iou
from labeler.models.detector_eyes import BINS, BOX, CLASS, SEEN, STRIDES
from labeler.training.instant.cells import Floats, Indices
from labeler.training.instant.head import Config, Head
from labeler.training.instant.targets import Example, assigned, within

VIEWS_A_STEP = 4
"""Images, or mirror images, that it learns from together."""
_NEAR, _FAR = 800, 400
"""Cells of a view in a step: in objects, and outside.

Drawn anew every time, they make many cells find an object: always the best suited ones gave AP50 0.70 on 40
blood cells, drawn ones 0.79. Looking for those most wrongly sure made it worse: labels miss things.
"""
_WARM_UP = 8
_RATE = 6e-3
_DECAY = 0.5
_DROPPED = 0.3
_UNSURE = -4.0
"""How sure, as a logit, all cells begin of a category that COCO has not."""
_CLASS_WEIGHT, _BOX_WEIGHT, _SIDE_WEIGHT = 0.5, 7.5, 1.5
"""As in Ultralytics' own training."""
_STEEPEST = 10.0

Progress = Callable[[int, dict[str, float]], None]
"""Called after each step with the number of steps that are done, and the losses by name."""


class _Level(nn.Module):  # type: ignore[misc]  # torch is not followed
    """What `Head` works out for one level."""

    def __init__(self, mean: Floats, deviation: Floats, coco: Mapping[str, Tensor], width: int) -> None:
        super().__init__()
        categories = coco["category_bias"].numel()
        self.register_buffer("mean", torch.from_numpy(mean))
        self.register_buffer("deviation", torch.from_numpy(deviation))
        for name, values in coco.items():
            self.register_buffer(name, values)
        self.input = nn.Linear(SEEN, width)
        self.norm = nn.LayerNorm(width)
        self.box = nn.Linear(width, 4 * BINS)
        self.category = nn.Linear(width, categories)
        for layer in (self.box, self.category):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)
        with torch.no_grad():
            self.category.bias[coco["category_weight"].abs().amax(dim=1) == 0] = _UNSURE

    def forward(self, seen: Tensor, chance: torch.Generator | None) -> tuple[Tensor, Tensor]:
        """Logits of the sides' distances (N, 4 * BINS) and of the categories (N, K).

        `chance` drops some of the hidden values; torch's own is shared by all threads.
        """
        hidden = functional.silu(self.norm(self.input((seen - self.mean) / self.deviation)))
        if chance is not None:
            kept = torch.empty_like(hidden).bernoulli_(1 - _DROPPED, generator=chance)
            hidden = hidden * kept / (1 - _DROPPED)
        by_coco = functional.linear(seen[:, :BOX], self.box_weight, self.box_bias)
        known = functional.linear(seen[:, BOX : BOX + CLASS], self.category_weight, self.category_bias)
        return by_coco + self.box(hidden), known + self.category(hidden)

    def arrays(self) -> dict[str, Floats]:
        """As `shapes_of` has them, less the level; the input's scale goes into its weights."""
        weight = self.input.weight.detach() / self.deviation
        arrays = {
            "input.weight": weight,
            "input.bias": self.input.bias.detach() - weight @ self.mean,
            "coco_box.weight": self.box_weight,
            "coco_box.bias": self.box_bias,
            "coco_category.weight": self.category_weight,
            "coco_category.bias": self.category_bias,
        }
        for name in ("norm", "box", "category"):
            layer = getattr(self, name)
            arrays |= {f"{name}.weight": layer.weight.detach(), f"{name}.bias": layer.bias.detach()}
        return {name: values.clone().numpy() for name, values in arrays.items()}


class _AdamW:
    """Decoupled weight decay (Loshchilov and Hutter, ICLR 2019), on matrices only.

    torch's own brings in a compiler, whose import alone takes longer than a small training.
    """

    def __init__(self, parameters: Sequence[Tensor]) -> None:
        self._parameters = parameters
        self._means = [torch.zeros_like(one) for one in parameters]
        self._squares = [torch.zeros_like(one) for one in parameters]
        self._steps = 0

    @torch.no_grad()  # type: ignore[untyped-decorator]
    def step(self, rate: float) -> None:
        """One step along the gradients, no longer than `_STEEPEST` in all, which are then gone."""
        self._steps += 1
        mean_bias, square_bias = 1 - 0.9**self._steps, 1 - 0.99**self._steps
        steep = math.sqrt(
            sum(float(one.grad.square().sum()) for one in self._parameters if one.grad is not None)
        )
        gain = min(1.0, _STEEPEST / max(steep, 1e-9)) if math.isfinite(steep) else 1.0
        for value, mean, square in zip(self._parameters, self._means, self._squares, strict=True):
            if value.grad is None:
                continue
            if value.dim() > 1:
                value.mul_(1 - rate * _DECAY)
            mean.lerp_(value.grad * gain, 0.1)
            square.lerp_((value.grad * gain).square(), 0.01)
            value.addcdiv_(mean / mean_bias, (square / square_bias).sqrt_().add_(1e-8), value=-rate)
            value.grad = None


class Fitting:
    """One training, deterministic from its seed; `run` may be on any thread, under `one_thread`."""

    def __init__(
        self,
        examples: Sequence[Example],
        coco: Mapping[str, Floats],
        names: tuple[str, ...],
        config: Config,
        *,
        steps: int,
        seed: int,
    ) -> None:
        """`examples`: at least one of them has an object. `coco`: as `coco_weights` gives it."""
        self._examples = examples
        self._names = names
        self._config = config
        self._steps = steps
        self._random = np.random.default_rng(seed)
        self._chance = torch.Generator().manual_seed(seed)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self._levels = nn.ModuleList(
                _Level(*self._spread(level), _of_level(coco, level), config.width)
                for level in range(len(STRIDES))
            )
        self._optimizer = _AdamW([one for one in self._levels.parameters() if one.requires_grad])
        self._order: list[int] = []

    @property
    def parameters(self) -> int:
        """How many numbers are learnt."""
        return sum(one.numel() for one in self._levels.parameters())

    def run(self, progress: Progress) -> Head:
        """Take all the steps. Whatever `progress` raises ends it."""
        for step in range(self._steps):
            shown = [self._next() for _ in range(min(VIEWS_A_STEP, len(self._examples)))]
            losses = self._losses(shown)
            losses["loss"].backward()
            self._optimizer.step(self._rate(step))
            progress(step + 1, {name: float(loss.detach()) for name, loss in losses.items()})
        weights = {}
        for level, module in enumerate(self._levels):
            for name, values in module.arrays().items():
                layer, part = name.split(".")
                weights[f"{layer}{level}.{part}"] = values
        return Head(weights, self._names, self._config)

    def _spread(self, level: int) -> tuple[Floats, Floats]:
        """Mean and deviation (SEEN,) of what a level's cells see."""
        rows = np.concatenate([one.seen[one.cells.levels == level][::5] for one in self._examples])
        values = rows.astype(np.float32)
        return values.mean(axis=0), values.std(axis=0) + np.float32(1e-3)

    def _rate(self, step: int) -> float:
        warm = min(1.0, (step + 1) / _WARM_UP)
        return _RATE * warm * (0.02 + 0.49 * (1 + math.cos(math.pi * step / self._steps)))

    def _next(self) -> int:
        """Of each view in turn, in an order that changes from round to round."""
        if not self._order:
            self._order = self._random.permutation(len(self._examples)).tolist()
        return self._order.pop()

    def _forward(self, one: Example, asked: Indices, chance: torch.Generator | None) -> tuple[Tensor, Tensor]:
        """As a level's, for cells of a view, which must go up from level to level."""
        levels = one.cells.levels[asked]
        seen = torch.from_numpy(one.seen[asked].astype(np.float32))
        said = [module(seen[levels == level], chance) for level, module in enumerate(self._levels)]
        sides, logits = (torch.cat(parts) for parts in zip(*said, strict=True))
        return sides, logits

    def _losses(self, shown: Sequence[int]) -> dict[str, Tensor]:
        """Class, box and side, and "loss", their weighted sum."""
        each = [self._of_view(place) for place in shown]
        losses = {
            name: sum((one[number] for one in each), torch.zeros(())) / len(each)
            for number, name in enumerate(("class", "box", "side"))
        }
        losses["loss"] = (
            _CLASS_WEIGHT * losses["class"] + _BOX_WEIGHT * losses["box"] + _SIDE_WEIGHT * losses["side"]
        )
        return losses

    def _of_view(self, place: int) -> tuple[Tensor, Tensor, Tensor]:
        one = self._examples[place]
        asked = self._asked(place)
        sides, logits = self._forward(one, asked, self._chance)
        if not len(one.boxes):
            return functional.softplus(logits).sum(), torch.zeros(()), torch.zeros(())
        centres = torch.from_numpy(one.cells.centres[asked])
        strides = torch.from_numpy(one.cells.strides[asked])[:, None]
        found = _boxes(sides, centres, strides)
        overlaps = box_iou(found.detach().numpy(), one.boxes).astype(np.float32)
        scores = logits.detach().sigmoid().numpy()[:, one.categories]
        wanted = assigned(scores, overlaps, within(one.cells.centres[asked], one.boxes))
        target = torch.zeros_like(logits)
        target[wanted.positive, one.categories[wanted.objects]] = torch.from_numpy(wanted.scores)
        total = max(float(wanted.scores.sum()), 1.0)
        by_class = functional.binary_cross_entropy_with_logits(logits, target, reduction="sum") / total
        if not len(wanted.positive):
            return by_class, torch.zeros(()), torch.zeros(())
        truth = torch.from_numpy(one.boxes[wanted.objects].astype(np.float32))
        weight = torch.from_numpy(wanted.scores)
        by_box = ((1 - _generalised(found[wanted.positive], truth)) * weight).sum() / total
        at, step = centres[wanted.positive], strides[wanted.positive]
        reach = torch.cat([at - truth[:, :2], truth[:, 2:] - at], dim=1) / step
        by_side = (_side_loss(sides[wanted.positive], reach) * weight).sum() / total
        return by_class, by_box, by_side

    def _asked(self, place: int) -> Indices:
        one = self._examples[place]
        groups = ((one.near, _NEAR), (one.far, _FAR))
        drawn = [self._random.permutation(group)[:count] for group, count in groups]
        return np.sort(np.concatenate(drawn))


def _of_level(coco: Mapping[str, Floats], level: int) -> dict[str, Tensor]:
    return {
        f"{name}_{part}": torch.from_numpy(np.array(coco[f"coco_{name}{level}.{part}"]))
        for name in ("box", "category")
        for part in ("weight", "bias")
    }


@contextmanager
def one_thread() -> Iterator[None]:
    """Steps are too small to share: threads that wait for each other cost more on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _boxes(sides: Tensor, centres: Tensor, strides: Tensor) -> Tensor:
    """As `boxes_of`, with gradients."""
    shares = sides.view(-1, 4, BINS).softmax(dim=2)
    reach = shares @ torch.arange(BINS, dtype=torch.float32) * strides
    return torch.cat([centres - reach[:, :2], centres + reach[:, 2:]], dim=1)


def _side_loss(sides: Tensor, reach: Tensor) -> Tensor:
    """(N,) how far the distributions are from distances (N, 4) (Li et al., NeurIPS 2020)."""
    reach = reach.clamp(0, BINS - 1 - 0.01)
    low = reach.floor()
    shares = sides.view(-1, 4, BINS).log_softmax(dim=2)
    under = shares.gather(2, low.long()[..., None])[..., 0]
    over = shares.gather(2, low.long()[..., None] + 1)[..., 0]
    return -(under * (low + 1 - reach) + over * (reach - low)).mean(dim=1)


def _generalised(a: Tensor, b: Tensor) -> Tensor:
    """Generalised IoU (N,) of boxes (N, 4) pair by pair (Rezatofighi et al., CVPR 2019)."""
    shared = (torch.minimum(a[:, 2:], b[:, 2:]) - torch.maximum(a[:, :2], b[:, :2])).clamp(min=0).prod(dim=1)
    areas = [(one[:, 2:] - one[:, :2]).prod(dim=1) for one in (a, b)]
    union = areas[0] + areas[1] - shared + 1e-6
    hull = (torch.maximum(a[:, 2:], b[:, 2:]) - torch.minimum(a[:, :2], b[:, :2])).prod(dim=1) + 1e-6
    return shared / union - (hull - union) / hull
