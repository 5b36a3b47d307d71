"""The options that trainers have in common: each under one name, with one title and one range.

What differs between trainers is their default and what they say of it. Nothing heavy is imported here.
"""

from labeler.training.specs import Option


def epochs(default: int = 30) -> Option:
    """How long is learnt."""
    return Option(
        "epochs", "Epochs", default, "How often each image is learnt from.", minimum=1, maximum=10_000
    )


def batch(
    default: int = 8,
    *,
    of: str = "Images",
    about: str = "Fewer need less memory.",
    minimum: int = 1,
    advanced: bool = False,
) -> Option:
    """How many are learnt from at once; `of` says what, where it is not images."""
    return Option("batch", f"{of} a batch", default, about, minimum=minimum, maximum=1024, advanced=advanced)


def size(
    default: int = 0,
    *,
    about: str,
    title: str = "Image size",
    minimum: int = 0,
    maximum: int = 4096,
    advanced: bool = False,
    formerly: tuple[str, ...] = (),
) -> Option:
    """The side of what is learnt from, in pixels; `about` says which side, and what 0 means."""
    return Option(
        "size", title, default, about, minimum=minimum, maximum=maximum, advanced=advanced, formerly=formerly
    )


def patience(default: int = 10) -> Option:
    """When training ends early."""
    return Option(
        "patience",
        "Patience",
        default,
        "Epochs without a better one after which training ends; 0 to do them all.",
        minimum=0,
        advanced=True,
    )


def rate(
    default: float = 0.0,
    *,
    about: str = "Of AdamW.",
    minimum: float = 0.0,
    formerly: tuple[str, ...] = (),
) -> Option:
    """The learning rate; where 0 is allowed, `about` says which one it chooses."""
    return Option(
        "rate",
        "Learning rate",
        default,
        about,
        minimum=minimum,
        maximum=1.0,
        advanced=True,
        formerly=formerly,
    )


def start_from(about: str, *, advanced: bool = False) -> Option:
    """The file of weights to start from, as `start_weights.starting_file` takes it; "" for one at hand."""
    return Option("weights", "Start from", "", about, advanced=advanced, is_file=True)
