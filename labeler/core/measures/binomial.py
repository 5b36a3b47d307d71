"""Exact tails of counting right and wrong, by logarithms of factorials: numpy has none."""

import math


def clopper_pearson(hits: float, trials: float, risk: float) -> tuple[float, float]:
    """The interval of a rate of which `hits` of `trials` were seen; each end is passed with at most `risk`.

    Clopper and Pearson, Biometrika 26, 1934, in the form of the beta distribution, which takes numbers that
    are no whole ones too, as after a division by a design effect.
    """
    if trials <= 0:
        return 0.0, 1.0
    low = 0.0 if hits <= 0 else _quantile(risk, hits, trials - hits + 1)
    high = 1.0 if hits >= trials else _quantile(1.0 - risk, hits + 1, trials - hits)
    return low, high


def few_drawn(hits: int, drawn: int, total: int, marked: int) -> float:
    """How likely at most `hits` are marked among `drawn` of `total`, `marked` of which are; none goes back.

    The lower tail of the hypergeometric distribution.
    """
    if marked > total:
        return 0.0
    low, high = max(0, drawn - (total - marked)), min(marked, drawn)
    if not low <= hits < high:
        return float(hits >= high)
    # from the middle outwards: where the terms are nothing any more, the rest is left out
    if hits * total <= drawn * marked:
        return min(_run(hits, drawn, total, marked, last=low), 1.0)
    return max(1.0 - _run(hits + 1, drawn, total, marked, last=high), 0.0)


def _run(first: int, drawn: int, total: int, marked: int, *, last: int) -> float:
    """The sum of the chances of `first` hits and on to `last`, upwards or downwards."""
    others = total - marked
    chance = math.exp(_choices(marked, first) + _choices(others, drawn - first) - _choices(total, drawn))
    found = chance
    for x in range(first, last, 1 if last > first else -1):
        if last > first:
            chance *= (marked - x) * (drawn - x) / ((x + 1) * (others - drawn + x + 1))
        else:
            chance *= x * (others - drawn + x) / ((marked - x + 1) * (drawn - x + 1))
        found += chance
        if chance < 1e-17 * found:
            break
    return found


def _choices(many: int, few: int) -> float:
    """The logarithm of the number of ways to take `few` of `many`."""
    return math.lgamma(many + 1) - math.lgamma(few + 1) - math.lgamma(many - few + 1)


def _quantile(share: float, a: float, b: float) -> float:
    """Where the beta distribution reaches `share`, by bisection."""
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        if beta_share(middle, a, b) < share:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def beta_share(x: float, a: float, b: float) -> float:
    """How much of the beta distribution lies under x, the regularized incomplete beta function.

    By its continued fraction (Lentz's method, Applied Optics 15, 1976).
    """
    if x <= 0.0 or x >= 1.0:
        return float(x > 0.0)
    if x > (a + 1) / (a + b + 2):
        return 1.0 - beta_share(1.0 - x, b, a)
    front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    fraction = c = 1.0
    d = 0.0
    for step in range(1, 1000):
        half, odd = divmod(step - 1, 2)
        if step == 1:
            numerator = 1.0
        elif odd:
            numerator = -(a + half) * (a + b + half) * x / ((a + 2 * half) * (a + 2 * half + 1))
        else:
            numerator = half * (b - half) * x / ((a + 2 * half - 1) * (a + 2 * half))
        d = 1.0 / _not_zero(1.0 + numerator * d)
        c = _not_zero(1.0 + numerator / c)
        fraction *= c * d
        if abs(c * d - 1.0) < 1e-13:
            break
    return math.exp(front) * (fraction - 1.0) / a


def _not_zero(value: float) -> float:
    return value if abs(value) > 1e-300 else 1e-300
