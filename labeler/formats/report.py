"""What became of every item of a labels file: taken, repaired, refused or skipped, with the reason."""

import re
from typing import Literal, TypeAlias

import msgspec
from msgspec import Struct

Verdict: TypeAlias = Literal["told", "repaired", "missing", "skipped", "refused"]
"""From the lightest to the gravest. Told: taken or written as it is, but there is something to know of it.
Missing: an image that is kept without its file."""

_GRAVITY: tuple[Verdict, ...] = ("told", "repaired", "missing", "skipped", "refused")

_LINES = 20
"""Groups of notes that the text form shows before it only counts the rest."""

_NUMBERS = re.compile(r"“[^”]*”|-?\d[\d.,e+-]*\d|\d")
"""What may differ in sentences that say the same: numbers and names."""


class FieldNote(Struct, frozen=True):
    """One sentence about one field of one item of a file."""

    verdict: Verdict
    kind: str
    """The list it is in: "images", "categories", "annotations", "results"; "file" for the whole file."""
    index: int | None
    """The place in that list, from 0; None for the whole file."""
    field: str
    sentence: str
    at: str = ""
    """The place in words, as `labels/a.txt:3`, in files that have no such lists."""

    @property
    def place(self) -> str:
        """Where it is, as in `annotations[12].bbox`."""
        if self.at:
            return self.at
        item = self.kind if self.index is None else f"{self.kind}[{self.index}]"
        return f"{item}.{self.field}" if self.field else item

    def __str__(self) -> str:
        return f"{self.verdict} {self.place}: {self.sentence}"


class Group(Struct, frozen=True):
    """Notes that say the same: the first of them, and how many there are."""

    first: FieldNote
    count: int

    @property
    def is_harmless(self) -> bool:
        """Whether it only says that something is there already."""
        return (
            self.first.verdict == "skipped"
            and self.first.field in ("", "id")
            and ("already" in self.first.sentence or "again" in self.first.sentence)
        )

    def __str__(self) -> str:
        if self.count == 1:
            return str(self.first)
        note = self.first
        items = f"{note.kind}.{note.field}" if note.field else note.kind
        return f"{note.verdict} {self.count} {items}, {note.place} first: {note.sentence}"


class Tally(Struct, frozen=True):
    """How many items of one kind there were and what became of them; the others sum up to the first."""

    total: int
    taken: int
    """Taken exactly as they are."""
    repaired: int
    """Taken after a repair that a note names."""
    refused: int
    skipped: int
    """Left out because they are there already."""
    missing: int = 0
    """Images that are kept without a file."""


class Report(Struct, frozen=True):
    """The whole outcome of reading or writing a labels file."""

    source: str
    tallies: dict[str, Tally]
    items: tuple[FieldNote, ...]
    done: str = "taken"
    """What becomes of what is good: "taken" into a project, or "written" to a file."""
    format: str = ""
    """What a file that was read is, in words; "" where that is no question."""

    @property
    def taken(self) -> int:
        """Items of all kinds taken as they are."""
        return sum(tally.taken for tally in self.tallies.values())

    @property
    def repaired(self) -> int:
        """Items of all kinds taken after a repair."""
        return sum(tally.repaired for tally in self.tallies.values())

    @property
    def refused(self) -> int:
        """Items of all kinds that were not taken, and whole-file refusals."""
        whole = sum(note.kind == "file" and note.verdict == "refused" for note in self.items)
        return whole + sum(tally.refused for tally in self.tallies.values())

    @property
    def skipped(self) -> int:
        """Items of all kinds that were there already."""
        return sum(tally.skipped for tally in self.tallies.values())

    @property
    def missing(self) -> int:
        """Images that are kept without a file."""
        return sum(tally.missing for tally in self.tallies.values())

    def summary(self) -> str:
        """The counts, one line a kind, below the file's name."""
        rows = [self.source]
        for kind, tally in self.tallies.items():
            row = f"  {kind}: {tally.taken + tally.repaired + tally.missing} of {tally.total} {self.done}"
            for count, word in (
                (tally.missing, "without a file"),
                (tally.repaired, "repaired"),
                (tally.refused, "refused"),
                (tally.skipped, "already there"),
            ):
                row += f", {count} {word}" if count else ""
            rows.append(row)
        return "\n".join(rows)

    def groups(self) -> tuple["Group", ...]:
        """The notes, those that say the same of several items as one; the gravest and most frequent first."""
        found: dict[tuple[str, str, str, str], list[FieldNote]] = {}
        for note in self.items:
            key = note.verdict, note.kind, note.field, _NUMBERS.sub("#", note.sentence)
            found.setdefault(key, []).append(note)
        groups = [Group(notes[0], len(notes)) for notes in found.values()]
        groups.sort(key=lambda group: (-_GRAVITY.index(group.first.verdict), -group.count))
        return tuple(groups)

    def problems(self, *, lines: int = _LINES) -> str:
        """The first `lines` groups of what is not as it should be, and how many more there are."""
        groups = [group for group in self.groups() if not group.is_harmless]
        rows = [str(group) for group in groups[:lines]]
        if len(groups) > lines:
            rows.append(f"and {sum(group.count for group in groups[lines:])} more")
        return "\n".join(rows)

    def text(self) -> str:
        """The report for a person: the counts, then the problems."""
        return "\n".join(filter(None, (self.summary(), self.problems())))

    def to_json(self) -> bytes:
        """The report as a JSON object with `source`, `tallies` and `items`."""
        return msgspec.json.format(msgspec.json.encode(self), indent=1)


class Spellings:
    """The ways in which files write the names of categories: with blanks around them, and without."""

    def __init__(self) -> None:
        self._ways: dict[str, dict[str, None]] = {}

    def plain(self, text: str) -> str:
        """The name without blanks around it."""
        name = text.strip()
        if name:
            self._ways.setdefault(name, {})[text] = None
        return name

    def notes(self) -> tuple[FieldNote, ...]:
        """What is to be told: each name that is written in several ways, which became one category."""
        return tuple(
            FieldNote("repaired", "categories", None, "name", ONE_OF_BLANKS.format(name, len(ways)), name)
            for name, ways in self._ways.items()
            if len(ways) > 1
        )


ONE_OF_BLANKS = "“{}” is written in {} ways, with and without blanks around it, which became one category."


class Ledger:
    """Collects notes while a file is read; `report` closes it."""

    def __init__(self) -> None:
        self._notes: list[FieldNote] = []
        self._verdicts: dict[tuple[str, int], Verdict] = {}

    def note(
        self, verdict: Verdict, kind: str, index: int | None, field: str, sentence: str, *, at: str = ""
    ) -> None:
        """Record a verdict; the gravest of an item counts (refused, then skipped, then repaired)."""
        self._notes.append(FieldNote(verdict, kind, index, field, sentence, at))
        if index is not None:
            before = self._verdicts.get((kind, index), "told")
            self._verdicts[kind, index] = max(before, verdict, key=_GRAVITY.index)

    @property
    def notes(self) -> tuple[FieldNote, ...]:
        """What was noted so far."""
        return tuple(self._notes)

    def extend(self, notes: tuple[FieldNote, ...]) -> None:
        """Take over the notes of an earlier stage."""
        for note in notes:
            self.note(note.verdict, note.kind, note.index, note.field, note.sentence, at=note.at)

    def report(self, source: str, totals: dict[str, int], *, done: str = "taken") -> Report:
        """The report, given how many items of each kind the file has."""
        counts: dict[str, dict[str, int]] = {kind: {} for kind in totals}
        for (kind, _), verdict in self._verdicts.items():
            counts[kind][verdict] = counts[kind].get(verdict, 0) + 1
        tallies = {
            kind: Tally(
                total=total,
                taken=total - sum(counts[kind].values()) + counts[kind].get("told", 0),
                repaired=counts[kind].get("repaired", 0),
                refused=counts[kind].get("refused", 0),
                skipped=counts[kind].get("skipped", 0),
                missing=counts[kind].get("missing", 0),
            )
            for kind, total in totals.items()
        }
        return Report(source, tallies, tuple(self._notes), done)
