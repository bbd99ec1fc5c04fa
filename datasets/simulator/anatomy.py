"""A spine in three dimensions: its bodies and where they stand.

Frame of the subject, in mm: x to the front, y to the feet, z to one side.
"""

from dataclasses import dataclass

import numpy as np

from endplate.datasets.simulator.cement import Cement
from endplate.geometry.landmarks import FloatArray

__all__ = ["Body", "SpineModel", "rotation"]


@dataclass(frozen=True, eq=False)
class Body:
    """One vertebral body, in mm, with its place in the subject.

    Parameters
    ----------
    level : str
        Name; C3 to C6 are drawn but never annotated.
    anterior, posterior : float
        Heights along the two walls.
    depth_superior, depth_inferior, width : float
        Depths of the endplates, and the width from side to side.
    concavity_superior, concavity_inferior : float
        How far the middle of each endplate lies inside the line of its rim.
    waist_anterior, waist_posterior : float
        How far the middle of each wall lies inside the line of its corners.
    corner_radii : (4,) tuple
        Rounding of the rim: superior anterior, superior posterior, inferior posterior, inferior
        anterior.
    centre : (3,) array
        Centre in the subject's frame.
    angles : (flexion, lateral tilt, axial rotation)
        Radians; flexion positive where the front is lower.
    density, cortex : float
        Relative density of the spongy bone, and of the shell.
    spurs : (4,) array
        Length of the osteophytes: superior anterior, superior posterior, inferior posterior,
        inferior anterior.
    sclerosis : (2,) array
        Extra density of the superior and of the inferior endplate, relative.
    bulge : float
        Backward bulge of the posterior wall (burst fracture).
    ripple : (4,) tuple
        Unevenness of the superior and of the inferior endplate: amplitude in mm and phase.
    nodes : tuple of (superior, place, depth)
        Dents of the endplates (Schmorl's nodes): which endplate, place from -1 (back) to 1,
        depth in mm. They leave the middle of the endplate alone.
    step : float
        Forward step of the anterior wall under the superior corner (fresh fracture).
    crease : float
        Density of an impacted band under the superior endplate, relative; 0 for none.
    fracture : str
        ``""`` or the type of the fracture.
    cement : Cement or None
        What the body was filled with.
    """

    level: str
    anterior: float
    posterior: float
    depth_superior: float
    depth_inferior: float
    width: float
    concavity_superior: float
    concavity_inferior: float
    waist_anterior: float
    waist_posterior: float
    corner_radii: tuple[float, float, float, float]
    centre: FloatArray
    angles: tuple[float, float, float]
    density: float = 1.0
    cortex: float = 1.0
    spurs: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    sclerosis: tuple[float, float] = (0.0, 0.0)
    bulge: float = 0.0
    ripple: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    nodes: tuple[tuple[bool, float, float], ...] = ()
    step: float = 0.0
    crease: float = 0.0
    fracture: str = ""
    cement: Cement | None = None

    @property
    def size(self) -> float:
        """Mean depth over that of a usual L3: scales the posterior elements."""
        return (self.depth_superior + self.depth_inferior) / 70.0

    @property
    def wedge_deg(self) -> float:
        """Angle between the endplates, positive where the front is lower."""
        depth = (self.depth_superior + self.depth_inferior) / 2
        return float(np.rad2deg(2 * np.arctan2(self.posterior - self.anterior, 2 * depth)))

    def anterior_of(self, wedge_deg: float) -> float:
        """Anterior height, in mm, with which the body would have that `wedge_deg`."""
        depth = (self.depth_superior + self.depth_inferior) / 2
        return float(self.posterior - 2 * depth * np.tan(np.deg2rad(wedge_deg) / 2))

    def to_subject(self, local: FloatArray) -> FloatArray:
        """(..., 3) points of the body's frame in the subject's frame."""
        out: FloatArray = local @ rotation(*self.angles).T + self.centre
        return out


@dataclass(frozen=True, eq=False)
class SpineModel:
    """A spine in the subject's frame, head to foot.

    Parameters
    ----------
    bodies : tuple of Body
        Cervical bodies first, then C7 to the lowest lumbar.
    sacrum : Body
        S1, whose superior endplate is annotated; the rest of the sacrum hangs on it.
    disc_heights : tuple of float
        Mid-height of the disc below each of `bodies`.
    vacuum : tuple of bool
        Whether the disc below each body holds gas.
    sacral_bend : float
        Bend between the sacral segments in radians.
    standing : bool
        Standing, or lying on the side.
    size : float
        Size factor of the subject.
    """

    bodies: tuple[Body, ...]
    sacrum: Body
    disc_heights: tuple[float, ...]
    vacuum: tuple[bool, ...]
    sacral_bend: float
    standing: bool
    size: float

    def body(self, level: str) -> Body | None:
        """The body of that name, or None."""
        return next((b for b in (*self.bodies, self.sacrum) if b.level == level), None)


def rotation(flexion: float, tilt: float, axial: float) -> FloatArray:
    """(3, 3) rotation: axial turn first, then tilt to the side, then flexion."""
    cf, sf = np.cos(flexion), np.sin(flexion)
    ct, st = np.cos(tilt), np.sin(tilt)
    ca, sa = np.cos(axial), np.sin(axial)
    rz = np.array([[cf, -sf, 0], [sf, cf, 0], [0, 0, 1.0]])
    rx = np.array([[1.0, 0, 0], [0, ct, -st], [0, st, ct]])
    ry = np.array([[ca, 0, sa], [0, 1.0, 0], [-sa, 0, ca]])
    out: FloatArray = rz @ rx @ ry
    return out
