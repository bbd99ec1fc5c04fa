"""Bodies on the slabs of a CT: merged over scales, facing right, named by the ribs too."""

import numpy as np
import pytest

from endplate.imaging.ct.curve import centre_line
from endplate.imaging.ct.slab import cut_slab
from endplate.imaging.ct.volume import Provenance, Volume
from endplate.infer.ct_find import SCALES, find_candidates, name_on_ct, rib_evidence
from endplate.infer.ct_networks import _shows_metal
from endplate.models.decode import CLASSES, Candidate
from endplate.models.frames import body_frame
from endplate.models.naming import NamingConfig
from endplate.models.resample import ImagePyramid

from ..spine import column

SPACING = 0.7
SHAPE = (700, 300)
RIBBED = np.array([75.0, 75.0])
BARE = np.array([35.0, 40.0])


def body_at(x: float, y: float, depth: float, *, facing: int = 1) -> np.ndarray:
    ahead, up = facing * depth / 2, 0.35 * depth
    corners = [(ahead, -up), (0, -up), (-ahead, -up), (-ahead, up), (0, up), (ahead, up)]
    out: np.ndarray = np.array(corners) + np.array([x, y])
    return out


class OneBody:
    """A detector that shows one body at the scales at which it is 20 to 60 pixels deep."""

    def __init__(self, depth: float, facing: int) -> None:
        self.depth, self.facing, self.seen = depth, facing, 0

    def run(self, images):
        rows, columns = images.shape[2] // 4, images.shape[3] // 4
        maps = np.zeros((1, 14 + len(CLASSES), rows, columns), np.float32)
        maps[:, :2] = -9
        step = min(SCALES, key=lambda s: abs(images.shape[2] - SHAPE[0] * SPACING / s)) / SPACING
        depth = self.depth / step
        if 20 < depth < 60:
            self.seen += 1
            y, x = int(350 / step / 4), int(150 / step / 4)
            maps[0, 0, y, x] = 2.0
            maps[0, 2:14, y, x] = (body_at(0, 0, depth, facing=self.facing) / 32).ravel()
        return [maps, np.zeros((1, 6), np.float32)]


@pytest.mark.parametrize("facing", [1, -1])
def test_one_body_is_found_once_facing_right(facing: int) -> None:
    network = OneBody(40.0, facing)
    slabs = [ImagePyramid(np.zeros(SHAPE, np.uint16))] * 2
    (body,), scores = find_candidates(slabs, SPACING, network)  # type: ignore[arg-type]
    assert network.seen > 4
    assert body.points[0, 0] > body.points[2, 0]
    assert body.depth == pytest.approx(40, rel=0.03)
    np.testing.assert_allclose(body.centre, [150, 350], atol=6)
    assert 0.5 < body.score < 0.9
    assert scores.lateral == pytest.approx(1 / 3)


def test_a_body_too_deep_for_every_scale_is_not_believed() -> None:
    network = OneBody(110.0, 1)
    found, _ = find_candidates(
        [ImagePyramid(np.zeros(SHAPE, np.uint16))],
        SPACING,
        network,  # type: ignore[arg-type]
    )
    assert network.seen == 0
    assert found == []


def test_ribs_speak_for_thoracic_levels_and_their_lack_for_lumbar_ones() -> None:
    level = {name: i for i, name in enumerate(CLASSES)}
    with_ribs, without = rib_evidence(RIBBED), rib_evidence(BARE)
    assert with_ribs[level["T11"]] == without[level["L2"]] == 0
    assert with_ribs[level["T12"]] - with_ribs[level["L1"]] > 2
    assert without[level["L1"]] - without[level["T12"]] > 1.5
    # beside L5 lies the ilium: far bone says little against it
    assert with_ribs[level["L5"]] > -1
    assert np.all(rib_evidence(np.array([np.nan, 75.0])) == 0)
    one = rib_evidence(np.array([75.0, 35.0]))
    assert one[level["T12"]] > one[level["L1"]]


def column_of(names: tuple[str, ...], seen_as: tuple[str, ...]) -> list[Candidate]:
    """Bodies drawn as `names` whose looks speak, weakly, for `seen_as`."""
    points = column(names, top=(150.0, 60.0), depth=45.0, height=0.75, facing="right")
    out = []
    for points_of, looks in zip(points.values(), seen_as, strict=True):
        logs = np.full(len(CLASSES), -3.0)
        logs[CLASSES.index(looks)] = 0.0
        logs -= np.log(np.exp(logs).sum())
        out.append(Candidate(body_frame(points_of)[0], points_of, 0.9, logs, False))
    return out


@pytest.mark.parametrize("last_rib", ["T11", "T12", "L1"])
def test_names_follow_the_last_rib(last_rib: str) -> None:
    drawn = ("T10", "T11", "T12", "L1", "L2", "L3")
    bodies = column_of(drawn, drawn)
    until = drawn.index(last_rib)

    def ribs(body: Candidate) -> np.ndarray:
        place = next(i for i, b in enumerate(bodies) if b is body)
        return rib_evidence(RIBBED if place <= until else BARE)

    config = NamingConfig(keep=0.0, thoracic=0.0, lower_thoracic=0.0, lumbar=0.0, lowest=0.0)
    named = name_on_ct(bodies, config, (420, 300), ribs, {})
    assert named is not None
    assert named.levels[until] == "T12"
    assert named.probability > 0.4


def test_a_level_that_the_user_gives_stands_against_the_ribs() -> None:
    drawn = ("T11", "T12", "L1", "L2")
    bodies = column_of(drawn, drawn)

    def ribs(body: Candidate) -> np.ndarray:
        return rib_evidence(RIBBED if body is bodies[1] else np.full(2, np.nan))

    named = name_on_ct(bodies, NamingConfig(), (420, 300), ribs, {1: "L1"})
    assert named is not None
    assert named.levels == ("T12", "L1", "L2", "L3")
    assert name_on_ct([], NamingConfig(), (420, 300), lambda _: RIBBED, {}) is None


@pytest.mark.parametrize(("value", "metal"), [(3000, True), (1800, False)])
def test_screws_are_seen_and_bone_is_no_metal(value: int, metal: bool) -> None:
    voxels = np.full((120, 90, 90), 40, np.int16)
    # a screw of 5 mm from back to front, 14 mm to the left of the sheet
    voxels[58:63, 30:70, 57:62] = value
    affine = np.eye(4)
    affine[:3, 3] = -45, -45, 0
    ct = Volume(voxels, affine, Provenance("drawn", ""))
    centres = [np.array([0.0, 0.0, z]) for z in (110.0, 80.0, 50.0, 20.0)]
    slab = cut_slab(ct, centre_line(centres, [np.array([0.0, -1.0, 0.0])] * 4))
    size = (slab.pixels.shape[0], slab.pixels.shape[1])
    assert _shows_metal(ct, slab, size) is metal
