"""The shared training loop, with a real small module."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch

from labeler.errors import LabelerError
from labeler.models.files import safetensors_file
from labeler.training import loop
from labeler.training.batches import in_order
from labeler.training.events import Epoch, Event, Note, Sample, Started, Step
from labeler.training.loop import Fitted, Schedule, fit, moved, prefetched, seed
from labeler.training.run import RunFolder, RunSpec
from labeler.training.specs import StoppedError

IMAGES = 48


class Task:
    """Which of two stripes an image of 8 x 8 is made of; with dropout, so that random numbers matter."""

    def __init__(self, number: int = 7, *, rate: float = 0.05) -> None:
        seed(number)
        self.module = torch.nn.Sequential(
            torch.nn.Conv2d(3, 4, 3, padding=1),
            torch.nn.BatchNorm2d(4, momentum=0.5),
            torch.nn.ReLU(),
            torch.nn.Dropout(0.2),
            torch.nn.AdaptiveAvgPool2d(2),
            torch.nn.Flatten(),
            torch.nn.Linear(16, 2),
        )
        self._seed = number
        self._rate = rate
        self.before_step: Callable[[int, int], None] = lambda _epoch, _batch: None
        self.passes: list[int] = []
        self.metrics: list[float] = []

    def _data(self, generator: torch.Generator, number: int) -> tuple[torch.Tensor, torch.Tensor]:
        classes = torch.randint(0, 2, (number,), generator=generator)
        images = torch.rand(number, 3, 8, 8, generator=generator)
        images[:, :, ::2] += classes[:, None, None, None]
        return images, classes

    def steps(self, batch: int) -> int:
        return -(-IMAGES // batch)

    def batches(self, epoch: int, batch: int) -> Iterator[dict[str, Any]]:
        self.passes.append(epoch)
        generator = torch.Generator().manual_seed(self._seed * 1000 + epoch)
        images, classes = self._data(generator, IMAGES)
        for start in range(0, IMAGES, batch):
            part = slice(start, start + batch)
            yield {"images": images[part], "classes": classes[part], "epoch": epoch}

    def losses(self, batch: dict[str, Any], where: torch.device) -> dict[str, torch.Tensor]:
        self.before_step(batch["epoch"], len(batch["images"]))
        loss = torch.nn.functional.cross_entropy(self.module(batch["images"]), batch["classes"])
        return {"loss": loss, "cross-entropy": loss}

    def evaluate(self, where: torch.device, should_stop: Callable[[], bool]) -> dict[str, float]:
        assert not self.module.training
        images, classes = self._data(torch.Generator().manual_seed(1), 40)
        torch.rand(5)  # what is drawn here must not matter
        right = self.module(images.to(where)).argmax(1).cpu() == classes
        accuracy = self.metrics.pop(0) if self.metrics else float(right.float().mean())
        return {"accuracy": accuracy, "nothing to measure": float("nan")}

    def samples(self, where: torch.device) -> Iterator[tuple[str, Any]]:
        yield "a.png", np.full((900, 20, 3), 128, np.uint8)

    def optimizer(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.module.parameters(), lr=self._rate)


SCHEDULE = Schedule(epochs=3, batch=8, metric="accuracy", warmup=0.5, clip=5.0)


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def new_run(tmp_path: Path) -> Callable[[], RunFolder]:
    """Makes a run's folder."""

    def make() -> RunFolder:
        return RunFolder.create(tmp_path / str(len(list(tmp_path.iterdir()))), RunSpec("t", "T"))

    return make


def trained(
    task: Task, folder: RunFolder, schedule: Schedule = SCHEDULE, *, stop: Callable[[], bool] = lambda: False
) -> tuple[Fitted, list[Event]]:
    said: list[Event] = []

    def report(event: Event) -> None:
        said.append(event)
        folder.record(event)

    return fit(task, folder, schedule, report, stop), said


def weights(task: Task) -> dict[str, Any]:
    return {name: tensor.clone() for name, tensor in task.module.state_dict().items()}


def assert_same(first: dict[str, Any], second: dict[str, Any]) -> None:
    assert first.keys() == second.keys()
    for name in first:
        assert torch.equal(first[name], second[name]), name


def stopping_after(number: int) -> Callable[[], bool]:
    """Says yes from the call after so many."""
    calls = iter(range(10**9))
    return lambda: next(calls) >= number


@pytest.mark.parametrize("is_short", [False, True])
def test_learns_and_tells(new_run: Callable[[], RunFolder], is_short: bool) -> None:
    folder, task = new_run(), Task()
    schedule = msgspec.structs.replace(SCHEDULE, mixed_precision=is_short, channels_last=is_short)
    fitted, said = trained(task, folder, schedule)
    started = [event for event in said if isinstance(event, Started)]
    epochs = [event for event in said if isinstance(event, Epoch)]
    assert [event.first_epoch for event in started] == [1]
    assert started[0].batch == 8
    assert started[0].parameters == sum(one.numel() for one in task.module.parameters())
    assert [event.epoch for event in epochs] == [1, 2, 3]
    assert epochs[-1].losses["loss"] < epochs[0].losses["loss"]
    assert epochs[0].metrics.keys() == {"accuracy"}
    assert fitted.metrics["accuracy"] == max(event.metrics["accuracy"] for event in epochs) > 0.8
    assert all(event.memory > 0 and event.losses["loss"] > 0 for event in said if isinstance(event, Step))
    assert any(isinstance(event, Step) for event in said)


def test_the_samples_are_pictures_in_the_folder(new_run: Callable[[], RunFolder]) -> None:
    folder = new_run()
    _, said = trained(Task(), folder)
    samples = [event for event in said if isinstance(event, Sample)]
    assert [sample.epoch for sample in samples] == [1, 2, 3]
    assert samples[0].image == "a.png"
    assert all((folder.path / sample.picture).read_bytes()[:2] == b"\xff\xd8" for sample in samples)


@pytest.mark.parametrize("after", [0, 1, 4, 6, 7, 8, 11, 20])
def test_a_stopped_run_goes_on_to_the_same_weights(new_run: Callable[[], RunFolder], after: int) -> None:
    whole = Task()
    one, _ = trained(whole, new_run())

    folder = new_run()
    with pytest.raises(StoppedError):
        trained(Task(), folder, stop=stopping_after(after))
    resumed = Task(number=7)
    two, said = trained(resumed, folder)
    assert_same(weights(whole), weights(resumed))
    assert one == two
    epochs = [event.epoch for event in folder.events() if isinstance(event, Epoch)]
    assert epochs == [1, 2, 3]
    assert isinstance(said[0], Started)


def test_stopping_at_every_step_ends_the_same_too(new_run: Callable[[], RunFolder]) -> None:
    whole = Task()
    trained(whole, new_run())
    folder = new_run()
    for _ in range(30):
        task = Task()
        try:
            trained(task, folder, stop=stopping_after(1))
            break
        except StoppedError:
            continue
    assert_same(weights(whole), weights(task))


def test_a_finished_run_that_is_resumed_trains_nothing(new_run: Callable[[], RunFolder]) -> None:
    folder, task = new_run(), Task()
    fitted, _ = trained(task, folder)
    again = Task()
    assert trained(again, folder)[0] == fitted
    assert again.passes == []
    assert_same(weights(task), weights(again))


def test_the_best_epoch_is_kept(new_run: Callable[[], RunFolder]) -> None:
    folder, task = new_run(), Task()
    task.metrics = [0.5, 0.9, 0.7]
    fitted, said = trained(task, folder)
    assert (fitted.best_epoch, fitted.metrics) == (2, {"accuracy": 0.9})
    assert [event.best for event in said if isinstance(event, Epoch)] == [True, True, False]
    best = folder.checkpoints / "best.safetensors"
    assert safetensors_file.header(best)["epoch"] == "2"
    stored = {name: torch.from_numpy(array) for name, array in safetensors_file.load(best).items()}
    assert_same(stored, weights(task))


def test_it_ends_early_when_it_gets_no_better(new_run: Callable[[], RunFolder]) -> None:
    task = Task()
    task.metrics = [0.5, 0.9, 0.7, 0.9, 0.95]
    schedule = Schedule(epochs=9, batch=8, metric="accuracy", patience=2)
    fitted, _ = trained(task, new_run(), schedule)
    assert (fitted.best_epoch, task.passes) == (2, [1, 2, 3, 4])


@pytest.mark.parametrize("error", [MemoryError(), torch.OutOfMemoryError("CUDA out of memory.")])
def test_too_little_memory_halves_the_batch_once(
    new_run: Callable[[], RunFolder], error: BaseException
) -> None:
    task = Task()

    def refuse(epoch: int, batch: int) -> None:
        if epoch == 2 and batch > 4:
            raise error

    task.before_step = refuse
    folder = new_run()
    _, said = trained(task, folder)
    notes = [event.sentence for event in said if isinstance(event, Note)]
    assert notes == ["Memory ran out with 8 images a batch; training goes on with 4."]
    assert [event.epoch for event in said if isinstance(event, Epoch)] == [1, 2, 3]
    assert task.passes == [1, 2, 2, 3]


def test_too_little_memory_for_half_the_batch_is_said(new_run: Callable[[], RunFolder]) -> None:
    task = Task()

    def refuse(epoch: int, batch: int) -> None:
        if batch > 2:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")

    task.before_step = refuse
    with pytest.raises(LabelerError, match="memory is too small for batches of 4 images: choose a smaller"):
        trained(task, new_run())


def test_other_errors_of_a_task_come_through(new_run: Callable[[], RunFolder]) -> None:
    task = Task()

    def fail(epoch: int, batch: int) -> None:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    task.before_step = fail
    with pytest.raises(RuntimeError, match="shapes"):
        trained(task, new_run())


def _spoilt(task: Task, epoch: int) -> None:
    """From that epoch on the weights are no numbers."""

    def spoil(now: int, _batch: int) -> None:
        if now == epoch:
            with torch.no_grad():
                next(task.module.parameters()).fill_(float("nan"))

    task.before_step = spoil


def test_a_loss_that_is_no_number_ends_the_run_with_its_best_weights(
    new_run: Callable[[], RunFolder],
) -> None:
    folder, task = new_run(), Task()
    _spoilt(task, 3)
    fitted, said = trained(task, folder)
    (note,) = [event.sentence for event in said if isinstance(event, Note)]
    assert note.startswith("Training stopped, for the loss became NaN or infinite in epoch 3; the weights of")
    assert fitted.best_epoch in (1, 2)
    assert all(bool(tensor.isfinite().all()) for tensor in weights(task).values())


def test_a_loss_that_is_no_number_in_the_first_epoch_is_a_failure(
    new_run: Callable[[], RunFolder],
) -> None:
    task = Task()
    _spoilt(task, 1)
    with pytest.raises(LabelerError, match="in epoch 1: choose a lower learning rate"):
        trained(task, new_run())


def test_a_checkpoint_of_another_model_is_refused(new_run: Callable[[], RunFolder]) -> None:
    folder = new_run()
    trained(Task(), folder)
    other = Task()
    other.module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(192, 2))
    with pytest.raises(LabelerError, match=r"cannot go on from .*last\.pt .*delete that file"):
        trained(other, folder)


def test_a_checkpoint_holds_nothing_that_could_run(new_run: Callable[[], RunFolder]) -> None:
    folder = new_run()
    trained(Task(), folder)
    state = torch.load(folder.checkpoints / "last.pt", weights_only=True)
    assert state.keys() == {"place", "module", "optimizer", "scaler", "random", "gpu_random"}


def test_the_learning_rate_rises_then_falls() -> None:
    schedule = Schedule(epochs=10, batch=1, metric="", warmup=1.0, final_rate=0.1)
    assert schedule.rate(0.5) == pytest.approx(0.5, abs=0.01)
    assert schedule.rate(5.0) == pytest.approx(0.55)
    assert schedule.rate(10.0) == pytest.approx(0.1)


def test_prefetched_batches_are_the_same_and_its_errors_come_through() -> None:
    def broken() -> Iterator[int]:
        yield from range(5)
        raise MemoryError

    got: list[int] = []
    with pytest.raises(MemoryError):
        got.extend(prefetched(broken()))
    assert list(prefetched(range(10))) == list(range(10))
    early = prefetched(range(10**9))
    assert next(early) == 0
    early.close()


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_items_are_loaded_in_order(workers: int) -> None:
    loaded = in_order(lambda item: item * 2, range(50), workers=workers, ahead=5)
    assert list(loaded) == [item * 2 for item in range(50)]


def test_moving_keeps_the_nesting_and_lays_out_images() -> None:
    batch = {"images": torch.rand(2, 3, 4, 5), "more": [torch.ones(2), ("text", 3)]}
    there = moved(batch, torch.device("cpu"), layout=torch.channels_last)
    assert there["images"].is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(there["images"], batch["images"])
    assert there["more"][1] == ("text", 3)


class Watched(Task):
    """Notes the learning rate and the loss of each step, and where it was stopped and went on."""

    def __init__(self) -> None:
        super().__init__()
        self.rates: list[float] = []
        self.said: list[float] = []
        self.made: torch.optim.Optimizer | None = None

    def optimizer(self) -> torch.optim.Optimizer:
        self.made = super().optimizer()
        return self.made

    def losses(self, batch: dict[str, Any], where: torch.device) -> dict[str, torch.Tensor]:
        found = super().losses(batch, where)
        assert self.made is not None
        self.rates.append(self.made.param_groups[0]["lr"])
        self.said.append(float(found["loss"].detach()))
        return found


@pytest.mark.parametrize("after", [3, 9, 10**9])
def test_each_step_has_its_rate_and_an_epoch_tells_their_mean_also_of_a_run_that_went_on(
    new_run: Callable[[], RunFolder], after: int
) -> None:
    folder, task = new_run(), Watched()
    schedule = msgspec.structs.replace(SCHEDULE, epochs=2, mixed_precision=False)
    said: list[Event] = []
    try:
        said += trained(task, folder, schedule, stop=stopping_after(after))[1]
    except StoppedError:
        again = Watched()
        again.rates, again.said = task.rates, task.said
        said += trained(again, folder, schedule)[1]
        task = again
    steps = IMAGES // schedule.batch
    rates = [0.05 * schedule.rate(done / steps) for done in range(1, 2 * steps + 1)]
    assert task.rates == pytest.approx(rates)
    told = {event.epoch: event.losses["loss"] for event in folder.events() if isinstance(event, Epoch)}
    means = {1: sum(task.said[:steps]) / steps, 2: sum(task.said[steps:]) / steps}
    assert told == pytest.approx(means, rel=1e-4)


def test_a_long_gradient_is_made_shorter_and_a_short_one_left(new_run: Callable[[], RunFolder]) -> None:
    """With plain gradient descent a step is the rate times the gradient."""

    class Plain(Task):
        def optimizer(self) -> torch.optim.Optimizer:
            return torch.optim.SGD(self.module.parameters(), lr=1.0)

        def batches(self, epoch: int, batch: int) -> Iterator[dict[str, Any]]:
            yield next(iter(super().batches(epoch, batch)))

        def steps(self, batch: int) -> int:
            return 1

    def length(clip: float) -> float:
        task = Plain()
        before = [one.detach().clone() for one in task.module.parameters()]
        schedule = Schedule(1, 8, "accuracy", final_rate=1.0, clip=clip, mixed_precision=False)
        trained(task, new_run(), schedule)
        moved_by = [one.detach() - old for one, old in zip(task.module.parameters(), before, strict=True)]
        return float(torch.cat([one.flatten() for one in moved_by]).norm())

    free = length(0.0)
    assert length(free / 2) == pytest.approx(free / 2, rel=1e-3)
    assert length(free * 2) == pytest.approx(free, rel=1e-3)


@pytest.mark.parametrize(
    ("metrics", "patience", "epochs", "best"),
    [
        ([0.5, 0.5, 0.5, 0.5], 2, 3, 1),  # as good is no better
        ([0.5, 0.4, 0.6, 0.5, 0.5, 0.9], 2, 5, 3),
        ([0.1, 0.2, 0.3], 1, 3, 3),
        ([0.5, 0.4, 0.9], 1, 2, 1),
        ([0.5, 0.4, 0.3, 0.6], 0, 4, 4),
        ([0.0, -0.5], 0, 2, 1),  # the first is better than none, whatever it is
    ],
)
def test_how_long_it_waits_for_a_better_epoch(
    new_run: Callable[[], RunFolder], metrics: list[float], patience: int, epochs: int, best: int
) -> None:
    task = Task()
    task.metrics = list(metrics)
    schedule = Schedule(len(metrics), 24, "accuracy", patience=patience, mixed_precision=False)
    fitted, said = trained(task, new_run(), schedule)
    told = [event for event in said if isinstance(event, Epoch)]
    assert len(told) == epochs
    assert fitted == Fitted(best, {"accuracy": metrics[best - 1]})
    assert [event.epoch for event in told if event.best][-1] == best


def test_chance_is_that_of_the_runs_seed(tmp_path: Path) -> None:
    """Whatever was drawn before: by dropout, which is torch's own."""

    def last(number: int, drawn: int) -> dict[str, Any]:
        folder = RunFolder.create(tmp_path / f"{number} {drawn}", RunSpec("t", "T", seed=number))
        task = Task()
        torch.rand(drawn)
        trained(task, folder, Schedule(1, 24, "accuracy", mixed_precision=False))
        return weights(task)

    one = last(1, 1)
    assert_same(one, last(1, 5))
    other = last(2, 1)
    assert any(not torch.equal(one[name], other[name]) for name in one)


def test_a_power_cut_costs_no_more_than_since_the_last_save(
    new_run: Callable[[], RunFolder], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within an epoch too: where each step is saved, the fifth is where it goes on."""
    schedule = msgspec.structs.replace(SCHEDULE, epochs=2, mixed_precision=False)
    whole = Task()
    trained(whole, new_run(), schedule)
    monkeypatch.setattr(loop, "_SAVED", -1.0)
    folder, cut, again = new_run(), Watched(), Watched()
    left = iter(range(4))

    def power_cut(_epoch: int, _batch: int) -> None:
        if next(left, None) is None:
            raise KeyboardInterrupt

    cut.before_step = power_cut
    with pytest.raises(KeyboardInterrupt):
        trained(cut, folder, schedule)
    trained(again, folder, schedule)
    assert_same(weights(whole), weights(again))
    assert len(cut.rates) + len(again.rates) == 2 * IMAGES // schedule.batch
