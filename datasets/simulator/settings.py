"""What a simulated set of films is to look like."""

from dataclasses import dataclass, field
from typing import Final, Literal

from endplate.errors import InputError, UnknownName

__all__ = ["FIELDS_OF_VIEW", "IMPLANTS", "SimulatorSettings"]

#: Ranges of the body that a film may show.
FIELDS_OF_VIEW: Final[tuple[str, ...]] = ("lumbar", "thoracolumbar", "short", "whole")
#: Kinds of metal, and a mixture of them.
IMPLANTS: Final[tuple[str, ...]] = ("any", "screws", "fusion", "long", "plate", "balloon")

_SHARES: Final[tuple[str, ...]] = (
    "fractured",
    "severe",
    "hardware",
    "cement",
    "calcium_phosphate",
    "leak",
    "scoliosis",
    "listhesis",
    "degenerative",
    "variant",
    "edge_enhanced",
)


def _default_mix() -> dict[str, float]:
    return {"lumbar": 0.5, "thoracolumbar": 0.2, "short": 0.15, "whole": 0.15}


@dataclass(frozen=True)
class SimulatorSettings:
    """Mix and resolution of simulated films.

    Parameters
    ----------
    mm_per_pixel : float
        Size of an output pixel in the mid-sagittal plane of the patient, 0.08 to 2.
    fields_of_view : dict
        Weight of each of `FIELDS_OF_VIEW`; need not add up to one.
    view : str
        ``lateral`` or ``frontal``.
    bits : int
        8 or 16: depth of the image (16 bits hold 12 significant ones).
    fractured, hardware, cement, scoliosis, listhesis, degenerative, variant : float
        Fraction of subjects with a fracture, with metal, with cement alone, with a lateral
        curve, with a slip, with spurs and narrowed discs, and with T13, L6 or eleven thoracic
        vertebrae.
    implant : str
        Which metal: ``screws`` (about a fracture), ``fusion`` (of the lowest levels, with cages),
        ``long`` (of a deformity), ``plate``, ``balloon`` (an intra-operative film with two inflated
        balloon tamps), or ``any`` for a mixture.
    calcium_phosphate : float
        Share of calcium phosphate among cements, the rest being acrylic (0.4 is assumed; in the
        published series the cement went by age).
    leak : float
        Share of cemented subjects whose cement leaked; 22 % in the published series.
    severe : float
        Fraction of wedge and burst fractures that lose half of the anterior height or more.
    edge_enhanced : float
        Fraction of films with strong sharpening or local contrast equalisation.
    """

    mm_per_pixel: float = 0.4
    fields_of_view: dict[str, float] = field(default_factory=_default_mix)
    view: Literal["lateral", "frontal"] = "lateral"
    bits: Literal[8, 16] = 8
    fractured: float = 0.4
    severe: float = 0.0
    hardware: float = 0.12
    implant: Literal["any", "screws", "fusion", "long", "plate", "balloon"] = "any"
    cement: float = 0.06
    calcium_phosphate: float = 0.4
    leak: float = 0.22
    scoliosis: float = 0.25
    listhesis: float = 0.25
    degenerative: float = 0.5
    variant: float = 0.06
    edge_enhanced: float = 0.25

    def __post_init__(self) -> None:
        if not 0.08 <= self.mm_per_pixel <= 2.0:
            raise InputError(f"mm_per_pixel {self.mm_per_pixel}: expected 0.08 to 2 millimetres")
        for name, weight in self.fields_of_view.items():
            if name not in FIELDS_OF_VIEW:
                raise UnknownName("field of view", name, FIELDS_OF_VIEW)
            if weight < 0:
                raise InputError(f"fields_of_view[{name!r}] is {weight}: expected 0 or more")
        if not sum(self.fields_of_view.values()) > 0:
            raise InputError("fields_of_view: all weights are 0, expected one above 0")
        self._check_names()
        for name in _SHARES:
            share = getattr(self, name)
            if not 0 <= share <= 1:
                raise InputError(f"{name} is {share}: expected a share from 0 to 1")
        if self.bits not in (8, 16):
            raise InputError(f"bits {self.bits}: expected 8 or 16")

    def _check_names(self) -> None:
        named = {"view": ("lateral", "frontal"), "implant": IMPLANTS}
        for name, valid in named.items():
            if getattr(self, name) not in valid:
                raise UnknownName(name, getattr(self, name), valid)
