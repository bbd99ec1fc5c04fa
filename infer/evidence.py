"""What speaks for a lateral film of the spine: the view, the bodies that were found, their rims.

A network that was shown few other images calls some of them lateral; but what it takes for bodies
there hardly looks like bodies, or their endplates are no bright lines, as on MR slices. More
features (spacing, size and line of the bodies, agreement of both networks) were tried on the bench
of `endplate.train.gate` and did no better on images that they were not fitted on.
"""

import math
from collections.abc import Mapping
from typing import Final

import numpy as np

from endplate.infer.filmlook import FilmLook
from endplate.infer.find import Found

__all__ = ["FEATURES", "evidence"]

#: Features and what a low value of each says, for people.
FEATURES: Final[Mapping[str, str]] = {
    "view": "the view is not that of a lateral film",
    "confidence": "what was found hardly looks like vertebral bodies",
    "rim": "their endplates are not bright lines",
}
_SURE: Final = 7.0
"""Log odds of the view beyond which more makes no difference."""
_BRIGHT_ENOUGH: Final = 0.25
"""Brightness of endplates beyond which more makes no difference."""
_UNSEEN_RIM: Final = -0.5
"""What the brightness of endplates is taken to be where none are seen."""


def evidence(found: Found, look: FilmLook) -> dict[str, float]:
    """Features, each the greater the more it speaks for a lateral film.

    Parameters
    ----------
    found : Found
    look : FilmLook
        Of the same image, with the bodies that were found.

    Returns
    -------
    dict
        A number for each of `FEATURES`; where it cannot be told, one that speaks against it.
    """
    p = min(max(found.scores.lateral, 1e-6), 1 - 1e-6)
    column = found.column.candidates if found.column is not None else ()
    scores = [c.score for c in column if not c.sacrum]
    rim = _UNSEEN_RIM if math.isnan(look.rim) else look.rim
    return {
        "view": float(np.clip(math.log(p / (1 - p)), -_SURE, _SURE)),
        "confidence": float(np.mean(scores)) if scores else 0.0,
        "rim": float(np.clip(rim, -1.0, _BRIGHT_ENOUGH)),
    }
