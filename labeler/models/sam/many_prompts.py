"""Many prompts on one image, by whichever promptable model."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from labeler.core.records import Prompt, Proposal
from labeler.models.protocols import BatchSegmenter, Embedding, Segmenter


def proposals_for(
    segmenter: Segmenter,
    embedding: Embedding,
    prompts: Sequence[Prompt],
    *,
    threads: int = 0,
    limit: int = 3,
    least: float = 0.0,
    keep: Callable[[NDArray[np.float32]], bool] | None = None,
    together: int = 1,
) -> tuple[tuple[Proposal, ...], ...]:
    """At most `limit` masks for each prompt, in their order; `least` and `keep` as of `segment_all`.

    `together`: how many prompts a model without `segment_all` is asked at the same time, on a thread each.
    Raises what the segmenter does.
    """
    if isinstance(segmenter, BatchSegmenter):
        return segmenter.segment_all(embedding, prompts, threads=threads, limit=limit, least=least, keep=keep)

    def ask(prompt: Prompt) -> tuple[Proposal, ...]:
        found = segmenter.segment(embedding, prompt, threads=1 if together > 1 else threads, limit=limit)
        return tuple(one for one in found if one.confidence >= least and (keep is None or keep(one.logits)))

    with ThreadPoolExecutor(together) as pool:
        return tuple(pool.map(ask, prompts))
