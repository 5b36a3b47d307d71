"""Words for numbers and times, as the window says them."""

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400


def ago(seconds: float) -> str:
    """How long ago that is, short: "now", "5 min", "3 h", "4 d"."""
    if seconds < 45:
        return "now"
    if seconds < _HOUR:
        return f"{max(round(seconds / _MINUTE), 1)} min"
    if seconds < _DAY:
        return f"{round(seconds / _HOUR)} h"
    return f"{round(seconds / _DAY):,} d"


def counted(number: int, noun: str, plural: str = "") -> str:
    """A number with its noun: "1 object", "3 objects", "1,204 objects"."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def duration(seconds: float) -> str:
    """A time as people say it: "8 s", "3 min", "2 h 5 min"."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
