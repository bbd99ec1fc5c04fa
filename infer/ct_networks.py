"""The networks on the curved slab of a CT: found, named and refined with what a CT tells."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from types import MappingProxyType
from typing import Final

import numpy as np

from endplate.geometry.landmarks import FloatArray, Vertebra
from endplate.imaging.ct.curve import CentreLine
from endplate.imaging.ct.relaid import relaid_line
from endplate.imaging.ct.ribs import lateral_reach
from endplate.imaging.ct.slab import Slab, cut_slab, cut_slabs
from endplate.imaging.ct.volume import Volume
from endplate.infer.ct_find import find_candidates, name_on_ct, rib_evidence
from endplate.infer.find import Anchor, Found, match_anchors
from endplate.infer.naming_report import naming_of
from endplate.infer.pipeline import FilmReader, FilmResult
from endplate.infer.refine import along_column, refine
from endplate.models.decode import Candidate, FilmScores
from endplate.models.frames import body_frame
from endplate.models.naming import NamedColumn, NamingConfig
from endplate.models.resample import ImagePyramid

__all__ = [
    "ROUGH_SD",
    "SLABS",
    "SheetResult",
    "lay_sheet",
    "name_sheet",
    "read_sheet",
    "ribs_along",
]

#: Thickness in mm and window in Hounsfield units of the slabs that are looked at together: from
#: one like a film to one that shows the mid-sagittal section, as the networks were trained on.
SLABS: Final = ((24.0, (-700.0, 500.0)), (12.0, (-300.0, 600.0)), (6.0, (-100.0, 700.0)))
#: Uppermost level that is reported. Upper bodies are as good as lower ones on CT: no film's
#: shoulders hide them, so none is left out for its name being less sure.
_HIGHEST: Final = "T1"
_KEEP: Final = 0.0
#: How far off the points of the detector are expected to be, in depths.
ROUGH_SD: Final = 0.2
#: Bodies lie nearer to the centre line than this, mm: half the depth of a body.
_NEAR_LINE: Final = 14.0
#: Bodies lie farther apart than this part of the depth of the surer one.
_APART: Final = 0.5
#: Hounsfield units of metal; where it is looked for, mm: before and behind the line, and aside;
#: and at how many places of a sheet, so many mm apart, it must be seen.
_METAL: Final = 2200.0
_METAL_REACH: Final = 60.0
_METAL_ASIDE: Final = (-18.0, -12.0, -6.0, 0.0, 6.0, 12.0, 18.0)
_METAL_STEP: Final = 1.5
_METAL_LEAST: Final = 8
#: How far beyond an endplate the volume must reach for it to count as seen, mm.
_MARGIN: Final = 1.0


@dataclass(frozen=True, eq=False)
class SheetResult:
    """What the networks made of a sheet.

    Parameters
    ----------
    result : FilmResult
        In pixels of the sheet; vertebrae have `points_mm`.
    cut : tuple of str
        Levels that were seen but reach beyond the volume, and are left out.
    """

    result: FilmResult
    cut: tuple[str, ...]


def lay_sheet(ct: Volume, line: CentreLine, reader: FilmReader) -> Slab:
    """Sheet through what is found along a line; along the line itself if little is.

    Candidates count whatever their names, but one at a place, and none that the volume cuts:
    its halves could not be compared.
    """
    first = cut_slab(ct, line)
    apart: list[Candidate] = []
    for body in _on_line(ct, first, reader)[1]:
        far = all(np.hypot(*(body.centre - c.centre)) > _APART * c.depth for c in apart)
        if far and not body.sacrum and _inside(ct, first.to_patient(body.points)):
            apart.append(body)
    down = sorted(apart, key=lambda c: float(c.centre[1]))
    relaid = relaid_line(ct, first, [c.points for c in down])
    return first if relaid is line else cut_slab(ct, relaid)


def read_sheet(
    ct: Volume, slab: Slab, reader: FilmReader, anchors: Sequence[Anchor] = ()
) -> SheetResult:
    """Find, name and refine the bodies of a CT on slabs along the centre line of a sheet.

    Parameters
    ----------
    slab : Slab
        Whose pixels the result is given in; all slabs of a line share its map.
    anchors : sequence of Anchor
        Levels that the user knows, in pixels of the slab.

    Raises
    ------
    InputError
        If an anchor lies on no vertebra that was found.
    """
    slabs, candidates, scores = _on_line(ct, slab, reader)
    known = match_anchors(candidates, anchors)
    column = name_sheet(candidates, slabs[0].shape, reader.slab_naming, ribs_along(ct, slab), known)
    down = np.array([0.0, 1.0])
    metal = _shows_metal(ct, slab, slabs[0].shape)
    # which way the patient faces, and whether there is metal, a CT says itself
    scores = replace(scores, facing_right=1.0, inverted=0.0, hardware=float(metal))
    found = Found(scores, column, 0, False, down, tuple(candidates), slabs[0].shape)
    if column is None:
        return SheetResult(FilmResult(found, (), (), 0.0), ())
    keep = [i for i, level in enumerate(column.levels) if level != "above C7"]
    bodies = [column.candidates[i] for i in keep]
    centres = np.array([c.centre for c in bodies]).reshape(-1, 2)
    refined = refine(
        slabs,
        [c.points for c in bodies],
        reader.refiner,
        reader.slab_errors,
        along_column(centres, down),
        prior=ROUGH_SD,
    )
    vertebrae = [
        Vertebra(
            column.levels[k],
            r.points,
            r.covariance,
            float(column.probabilities[k]),
            c.score,
            hardware=metal and r.bears("hardware"),
            cement=r.bears("cement"),
            points_mm=slab.to_patient(r.points),
        )
        for k, c, r in zip(keep, bodies, refined, strict=True)
    ]
    whole = [i for i, v in enumerate(vertebrae) if _inside(ct, slab.to_patient(v.points))]
    naming = naming_of(column, [keep[i] for i in whole])
    result = FilmResult(
        found,
        tuple(vertebrae[i] for i in whole),
        tuple(refined[i] for i in whole),
        naming.probability if naming else 0.0,
        naming,
    )
    return SheetResult(result, tuple(v.level for i, v in enumerate(vertebrae) if i not in whole))


def name_sheet(
    candidates: Sequence[Candidate],
    shape: tuple[int, int],
    naming: NamingConfig,
    ribs: Callable[[Candidate], FloatArray],
    anchors: Mapping[int, str] = MappingProxyType({}),
) -> NamedColumn | None:
    """Name the candidates on a sheet with what the CT beside it tells; see `name_on_ct`."""
    return name_on_ct(
        candidates, replace(naming, highest=_HIGHEST, keep=_KEEP), shape, ribs, anchors
    )


def ribs_along(ct: Volume, slab: Slab) -> Callable[[Candidate], FloatArray]:
    """What ribs and processes beside a candidate on a sheet say of its level, looked at once."""

    @cache
    def beside(body: Candidate) -> FloatArray:
        centre, _, _ = body_frame(body.points)
        reach = lateral_reach(ct, slab.to_patient(centre), slab.axes_of(body.points))
        return rib_evidence(reach)

    return beside


def _on_line(
    ct: Volume, slab: Slab, reader: FilmReader
) -> tuple[list[ImagePyramid], list[Candidate], FilmScores]:
    """Slabs along the line of a sheet, the bodies seen on it, best first, and the view."""
    slabs = [ImagePyramid(s.pixels) for s in cut_slabs(ct, slab.line, SLABS)]
    seen, scores = find_candidates(slabs, slab.spacing, reader.detector)
    near = [c for c in seen if c.sacrum or abs(float(slab.ahead_of_line(c.centre))) < _NEAR_LINE]
    return slabs, near, scores


def _shows_metal(ct: Volume, slab: Slab, shape: tuple[int, int]) -> bool:
    """Whether something along the spine is denser than bone and cement: screws and rods."""
    rows, columns = (np.arange(0.0, n, _METAL_STEP / slab.spacing) for n in shape)
    x, y = np.meshgrid(columns, rows)
    grid = np.stack([x, y], axis=-1)
    near = grid[np.abs(slab.ahead_of_line(grid)) < _METAL_REACH]
    for aside in _METAL_ASIDE:
        if (ct.sample(slab.to_patient(near, aside)) > _METAL).sum() >= _METAL_LEAST:
            return True
    return False


def _inside(ct: Volume, points: FloatArray) -> bool:
    """Whether the volume shows both endplates of a body with (6, 3) LPS points."""
    seen = points[~np.isnan(points).any(axis=1)]
    outwards = seen - seen.mean(axis=0)
    outwards /= np.maximum(np.linalg.norm(outwards, axis=1, keepdims=True), 1e-6)
    at = ct.to_indices(seen + _MARGIN * outwards)
    return bool((at >= 0).all() and (at <= np.array(ct.size) - 1).all())
