"""One image of the bench, and what the gate is expected to say of it."""

from dataclasses import dataclass

from endplate.datasets.film import GreyImage

__all__ = ["Specimen"]


@dataclass(frozen=True, eq=False)
class Specimen:
    """One image that the gate is to judge.

    Parameters
    ----------
    image : (rows, columns) uint8 or uint16 array
    kind : str
        What it shows, in a few words; figures are given for each kind.
    name, subject : str
        Of this image, and of the person or picture that it comes from. Thresholds are fitted
        and judged on different subjects.
    negative : bool
        Whether the image is to be rejected; else it is a lateral film, to be read.
    reasons : tuple of str
        Codes of which one at least should be given: why a lateral film is flagged. Empty where
        no flag is called for.
    fold : int or None
        Fold of the subject, for images that networks were trained on: networks that did not see
        them must read them. None for images that no network saw.
    """

    image: GreyImage
    kind: str
    name: str
    subject: str
    negative: bool
    reasons: tuple[str, ...] = ()
    fold: int | None = None
