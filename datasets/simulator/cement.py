"""Bone cement in a body: what it is, what it weighs on a film, and where it leaked to."""

from dataclasses import dataclass
from typing import Final

from endplate.geometry.landmarks import FloatArray

__all__ = ["CEMENTS", "DENSITIES", "LEAKS", "Cement", "Leak", "Lump", "Vein"]

#: Kinds of cement, called as in the clinical table of a cohort.
CEMENTS: Final[tuple[str, ...]] = ("acrylic", "calcium_phosphate")

#: Attenuation per mm above that of soft tissue: least and greatest. Near 60 keV acrylic cement with
#: 30 % of barium sulphate comes to about 0.14 and set calcium phosphate to about 0.04, which is
#: that of cortical bone. Both were worked out by hand and not measured; the acrylic is drawn
#: lighter because a film's beam hardens in it.
DENSITIES: Final[dict[str, tuple[float, float]]] = {
    "acrylic": (0.085, 0.130),
    "calcium_phosphate": (0.036, 0.050),
}

#: Where cement leaks to, and the share of each among the leaks (assumed).
LEAKS: Final[dict[str, float]] = {
    "disc": 0.35,
    "paravertebral": 0.30,
    "venous": 0.20,
    "epidural": 0.15,
}


@dataclass(frozen=True, slots=True)
class Leak:
    """A leak.

    Parameters
    ----------
    kind : str
        One of `LEAKS`.
    place : str
        ``superior`` or ``inferior`` for a disc, ``front`` or ``side`` of the body, ``segmental`` or
        ``basivertebral`` vein, ``canal``.
    """

    kind: str
    place: str


@dataclass(frozen=True, eq=False)
class Lump:
    """A solid piece: (K, P, 3) outlines of its slices in the body's frame, mm, and the (K,)
    lengths of a lateral ray within each.
    """

    outline: FloatArray
    chord: FloatArray


@dataclass(frozen=True, eq=False)
class Vein:
    """A vein that filled: (N, 3) centre line in the body's frame and radius, mm."""

    line: FloatArray
    radius: float


@dataclass(frozen=True, eq=False)
class Cement:
    """The cement of one body. It is hard: its shape stays when the body loses height.

    Parameters
    ----------
    kind : str
        One of `CEMENTS`.
    density : float
        Attenuation per mm above that of soft tissue.
    inside : tuple of Lump
        What lies in the body.
    outside : tuple of Lump
        What leaked, with the neck that joins it to the inside.
    veins : tuple of Vein
    leaks : tuple of Leak
        What `outside` and `veins` are.
    """

    kind: str
    density: float
    inside: tuple[Lump, ...]
    outside: tuple[Lump, ...] = ()
    veins: tuple[Vein, ...] = ()
    leaks: tuple[Leak, ...] = ()
