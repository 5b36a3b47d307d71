"""What a trainer must do: the record that a plugin describes it with.

A trainer sees nothing but its run's folder. What it gives back is a file of weights in that folder, which
some plugin's `FileSpec` opens as a model; so a trained model is loaded through the same door as any other.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeAlias

from msgspec import Struct

from labeler.errors import LabelerError
from labeler.models.protocols import Task
from labeler.training.events import Report, ShouldStop
from labeler.training.run import RunFolder

Value: TypeAlias = bool | int | float | str


class Option(Struct, frozen=True):
    """Something that a person may set for a run; shown as a field, and as `--set NAME=VALUE`."""

    name: str
    title: str
    default: Value
    """Its type is the option's: a switch, a whole number, a number, or text."""
    help: str = ""
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    """What text may be; () for any."""
    advanced: bool = False
    """Whether it is folded away until it is asked for."""
    is_file: bool = False
    """Whether the text is the path of a file, as of the weights to start from; "" for none."""
    formerly: tuple[str, ...] = ()
    """What older versions called it: the folders of their runs still say so, and `--set` may."""

    def parsed(self, text: str) -> Value:
        """The value that `text` means. Raises LabelerError with one sentence for what cannot be."""
        try:
            value = self._typed(text.strip())
        except ValueError:
            kind = {bool: "yes or no", int: "a whole number", float: "a number"}[type(self.default)]
            raise LabelerError(f"“{self.name}” must be {kind}, but is “{text}”.") from None
        self.check(value)
        return value

    def check(self, value: Value) -> None:
        """Raise LabelerError with one sentence where the value is of another type or out of range."""
        fits = isinstance(value, type(self.default)) or (
            isinstance(self.default, float) and isinstance(value, int) and not isinstance(value, bool)
        )
        if not fits or isinstance(value, bool) != isinstance(self.default, bool):
            raise LabelerError(f"“{self.name}” cannot be “{value}”.")
        if self.choices and value not in self.choices:
            raise LabelerError(f"“{self.name}” must be one of {', '.join(self.choices)}, but is “{value}”.")
        if isinstance(value, str):
            return
        if self.minimum is not None and value < self.minimum:
            raise LabelerError(f"“{self.name}” must be at least {self.minimum:g}, but is {value:g}.")
        if self.maximum is not None and value > self.maximum:
            raise LabelerError(f"“{self.name}” must be at most {self.maximum:g}, but is {value:g}.")

    def _typed(self, text: str) -> Value:
        if isinstance(self.default, bool):
            words = {"yes": True, "true": True, "on": True, "1": True}
            words |= {"no": False, "false": False, "off": False, "0": False}
            if text.lower() not in words:
                raise ValueError(text)
            return words[text.lower()]
        return type(self.default)(text)


class TrainerSpec(Struct, frozen=True):
    """A way to train models that a plugin offers. Making one imports nothing heavy; `train` does."""

    id: str
    title: str
    task: Task
    """What it makes."""
    train: Callable[[RunFolder, Report, ShouldStop], Path]
    """Train, or go on from the folder's last checkpoint, and give the file of the final weights.

    Reports `Started`, `Step`, `Epoch`, `Sample` and `Note`; the caller reports the rest. Ends soon after
    `should_stop()` turns true, with its checkpoint on disk, by raising StoppedError. Raises LabelerError
    with one sentence that says what to change, for whatever else keeps it from ending.
    """
    summary: str = ""
    """One line for a person who has to choose."""
    options: tuple[Option, ...] = ()
    needs_masks: bool = False
    """Whether it learns from outlines; objects that are only boxes are left out, with a warning."""
    least: int = 2
    """Labelled images below which it is not worth starting."""
    metric: str = "AP"
    """The name of the metric by which its best epoch is chosen; higher is better."""

    def option(self, name: str) -> Option | None:
        """The option that is called so, now or in older versions; None for none."""
        named = (option for option in self.options if name == option.name)
        return next(named, None) or next((one for one in self.options if name in one.formerly), None)


class StoppedError(LabelerError):
    """The run was stopped by `should_stop`, with its checkpoint on disk."""


def settings(spec: TrainerSpec, chosen: Mapping[str, Value]) -> dict[str, Value]:
    """Every option of a trainer by its name now, with its value: the chosen one, else its default.

    A plan is made of them by `msgspec.convert(settings(...), Plan)`. Raises LabelerError, naming the options
    there are, for one that the trainer does not have, and as `Option.check`.
    """
    values = {option.name: option.default for option in spec.options}
    for name, value in chosen.items():
        option = spec.option(name)
        if option is None:
            names = ", ".join(sorted(values)) or "none"
            raise LabelerError(f"“{spec.id}” has no option “{name}”; there are: {names}.")
        option.check(value)
        if name == option.name or option.name not in chosen:
            values[option.name] = value
    return values
