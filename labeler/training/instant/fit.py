"""Training of the instant head. Import it inside functions, for it imports torch.

Only chosen cells are looked at in a step: those that should find an object, some that should not, by
chance, and those that were most wrongly sure. That costs a twentieth of a convolution over all cells.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from msgspec import Struct, field
from torch import Tensor, nn
from torch.nn import functional

from labeler.core.records import Bits
from labeler.training.instant.cells import LEVELS, WINDOW, Floats, Indices, Projection, cells, windows
from labeler.training.instant.head import Config, Head
from labeler.training.instant.targets import Example, TrainingView, view

_POOL = 64
"""Views that are kept; each step one of them makes room for another."""
VIEWS_A_STEP = 6
"""How many it learns from together."""
_RANDOM, _COARSE, _HARD = 96, 48, 48
"""Negative cells of a view: by chance, by chance among the coarse levels, and the most wrongly sure ones."""
_MINED = 1000
"""Cells among which the most wrongly sure ones are looked for."""
_MINED_FROM = 40
_WARM_UP = 10
_PATIENT = 50
"""Steps over which the objectness asked for turns from a constant into the box's own IoU."""
_FIRST_OBJECTNESS = 0.7
_RATE = 2e-3
_DECAY = 0.1
_DROPPED = 0.2
_NEGATIVE_WEIGHT = 0.5
_BOX_WEIGHT = 2.0
_RARE = -4.0
"""The objectness, as a logit, that all cells begin with."""

Progress = Callable[[int, dict[str, float]], None]
"""Called after each step with the number of steps that are done, and the losses by name."""


class _Pooled(Struct, eq=False):
    view: TrainingView
    hard: Indices = field(default_factory=lambda: np.zeros(0, dtype=np.intp))


class _Network(nn.Module):  # type: ignore[misc]  # torch is not followed
    """The same as `Head` works out, with the same names."""

    def __init__(self, config: Config, categories: int) -> None:
        super().__init__()
        width = config.width
        self.window = nn.Linear(WINDOW * config.dimensions, width)
        self.level = nn.Parameter(torch.zeros(len(LEVELS), width))
        self.first = nn.LayerNorm(width)
        self.hidden = nn.Linear(width, width)
        self.second = nn.LayerNorm(width)
        self.box = nn.Linear(width, 4)
        self.objectness = nn.Linear(width, 1)
        self.category = nn.Linear(width, categories)
        self.dropout = nn.Dropout(_DROPPED)
        for layer, bias in ((self.box, 0.5), (self.objectness, _RARE), (self.category, 0.0)):
            nn.init.normal_(layer.weight, std=0.01)
            nn.init.constant_(layer.bias, bias)

    def forward(self, seen: Tensor, levels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Distances (N, 4) in spans, objectness (N,) and categories (N, K) as logits."""
        hidden = self.dropout(functional.relu(self.first(self.window(seen) + self.level[levels])))
        hidden = hidden + functional.relu(self.second(self.hidden(hidden)))
        return functional.softplus(self.box(hidden)), self.objectness(hidden)[:, 0], self.category(hidden)


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
        """One step along the gradients, which are then gone."""
        self._steps += 1
        mean_bias, square_bias = 1 - 0.9**self._steps, 1 - 0.99**self._steps
        for value, mean, square in zip(self._parameters, self._means, self._squares, strict=True):
            if value.grad is None:
                continue
            if value.dim() > 1:
                value.mul_(1 - rate * _DECAY)
            mean.lerp_(value.grad, 0.1)
            square.lerp_(value.grad.square(), 0.01)
            value.addcdiv_(mean / mean_bias, (square / square_bias).sqrt_().add_(1e-8), value=-rate)
            value.grad = None


class Fitting:
    """One training, deterministic from its seed."""

    def __init__(
        self,
        examples: Sequence[Example],
        projection: Projection,
        names: tuple[str, ...],
        config: Config,
        *,
        steps: int,
        seed: int,
    ) -> None:
        """`examples`: projected by `projection`; at least one of them has an object."""
        self._examples = examples
        self._projection = projection
        self._names = names
        self._config = config
        self._steps = steps
        self._random = np.random.default_rng(seed)
        self._levels = torch.from_numpy(cells().levels)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self._network = _Network(config, len(names))
        self._optimizer = _AdamW(list(self._network.parameters()))
        self._order: list[int] = []

    @property
    def parameters(self) -> int:
        """How many numbers are learnt."""
        return sum(one.numel() for one in self._network.parameters())

    def run(self, progress: Progress) -> Head:
        """Take all the steps. Whatever `progress` raises ends it."""
        with _one_thread(), torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(self._random.integers(1 << 31)))
            pool = [_Pooled(self._next_view()) for _ in range(min(_POOL, 6 * len(self._examples)))]
            for step in range(self._steps):
                pool[step % len(pool)] = _Pooled(self._next_view())
                if step >= _MINED_FROM and step % 2:
                    self._mine(pool[int(self._random.integers(len(pool)))])
                shown = self._random.permutation(len(pool))[:VIEWS_A_STEP]
                losses = self._losses([pool[place] for place in shown], step)
                losses["loss"].backward()
                self._optimizer.step(self._rate(step))
                progress(step + 1, {name: float(loss.detach()) for name, loss in losses.items()})
        weights = {name: value.numpy() for name, value in self._network.state_dict().items()}
        return Head(self._projection, weights, self._names, self._config)

    def _rate(self, step: int) -> float:
        warm = min(1.0, (step + 1) / _WARM_UP)
        return _RATE * warm * (0.02 + 0.49 * (1 + math.cos(math.pi * step / self._steps)))

    def _next_view(self) -> TrainingView:
        """Of each image in turn, in an order that changes from round to round."""
        if not self._order:
            self._order = self._random.permutation(len(self._examples)).tolist()
        return view(self._examples[self._order.pop()], self._random)

    def _mine(self, pooled: _Pooled) -> None:
        """Remember which cells of a view see most where there is nothing."""
        negative = pooled.view.targets.negative
        if not len(negative):
            return
        asked = self._random.choice(negative, min(_MINED, len(negative)), replace=False)
        self._network.eval()
        with torch.inference_mode():
            seen = torch.from_numpy(windows(pooled.view.maps, asked))
            objectness = self._network(seen, self._levels[asked])[1].numpy()
        self._network.train()
        pooled.hard = asked[np.argsort(-objectness, kind="stable")[:_HARD]]

    def _losses(self, shown: Sequence[_Pooled], step: int) -> dict[str, Tensor]:
        """Objectness, box and class, and "loss", their weighted sum."""
        asked, seen, is_object, boxes, categories = self._batch(shown)
        distances, objectness, logits = self._network(torch.from_numpy(seen), self._levels[asked])
        found = _boxes(distances, asked)[is_object]
        truth = torch.from_numpy(boxes)
        iou, generalised = _overlaps(found, truth)
        trust = min(1.0, step / _PATIENT)
        wanted = torch.zeros(len(asked))
        wanted[is_object] = trust * iou.detach() + (1 - trust) * _FIRST_OBJECTNESS
        weight = _NEGATIVE_WEIGHT * objectness.detach().sigmoid()
        weight[is_object] = 1.0
        each = functional.binary_cross_entropy_with_logits(objectness, wanted, weight, reduction="sum")
        count = max(int(is_object.sum()), 1)
        losses = {
            "objectness": each / wanted.sum().clamp(min=1.0),
            "box": (1 - generalised).sum() / count,
            "class": functional.cross_entropy(
                logits[is_object], torch.from_numpy(categories), reduction="sum"
            )
            / count,
        }
        losses["loss"] = losses["objectness"] + _BOX_WEIGHT * losses["box"] + losses["class"]
        return losses

    def _batch(self, shown: Sequence[_Pooled]) -> tuple[Indices, Floats, Bits, Floats, Indices]:
        """Cells (N,), their windows, which P are positive, their boxes and categories (P of each)."""
        asked, seen, is_object, boxes, categories = [], [], [], [], []
        for one in shown:
            targets = one.view.targets
            chosen = np.concatenate([targets.positive, self._negatives(targets.negative), one.hard])
            asked.append(chosen)
            seen.append(windows(one.view.maps, chosen))
            is_object.append(np.arange(len(chosen)) < len(targets.positive))
            boxes.append(one.view.boxes[targets.objects])
            categories.append(one.view.categories[targets.objects])
        return (
            np.concatenate(asked),
            np.concatenate(seen),
            np.concatenate(is_object),
            np.concatenate(boxes).astype(np.float32),
            np.concatenate(categories),
        )

    def _negatives(self, negative: Indices) -> Indices:
        coarse = negative[cells().levels[negative] >= len(LEVELS) // 2]
        drawn = [
            self._random.choice(group, count)
            for group, count in ((negative, _RANDOM), (coarse, _COARSE))
            if len(group)
        ]
        return np.concatenate(drawn) if drawn else negative


@contextmanager
def _one_thread() -> Iterator[None]:
    """Steps are too small to share: threads that wait for each other cost more on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _boxes(distances: Tensor, asked: Indices) -> Tensor:
    """As `boxes_of`, with gradients."""
    reach = distances * torch.from_numpy(cells().spans[asked])[:, None]
    centres = torch.from_numpy(cells().centres[asked])
    return torch.cat([centres - reach[:, :2], centres + reach[:, 2:]], dim=1)


def _overlaps(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """IoU (N,) and generalised IoU (N,) of boxes (N, 4) pair by pair (Rezatofighi et al., CVPR 2019)."""
    shared = (torch.minimum(a[:, 2:], b[:, 2:]) - torch.maximum(a[:, :2], b[:, :2])).clamp(min=0).prod(dim=1)
    areas = [(one[:, 2:] - one[:, :2]).prod(dim=1) for one in (a, b)]
    union = areas[0] + areas[1] - shared + 1e-6
    hull = (torch.maximum(a[:, 2:], b[:, 2:]) - torch.minimum(a[:, :2], b[:, :2])).prod(dim=1) + 1e-6
    iou = shared / union
    return iou, iou - (hull - union) / hull
