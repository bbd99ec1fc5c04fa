"""Annotation files: both forms, round trips, and files that break the format."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from endplate.datasets.coco import load_films, read_annotations, write_annotations
from endplate.datasets.film_annotation import FilmAnnotation
from endplate.errors import AnnotationError
from endplate.geometry.landmarks import Vertebra
from endplate.geometry.levels import POINTS

L1 = [40, 10, 2, 30, 11, 2, 20, 10, 2, 20, 30, 2, 30, 29, 2, 40, 31, 2]


def document() -> dict[str, Any]:
    """A valid file of two films; the second has no annotation."""
    return {
        "categories": [{"id": 1, "name": "vertebra", "keypoints": list(POINTS)}],
        "images": [
            {
                "id": 1,
                "file_name": "a.png",
                "width": 100,
                "height": 80,
                "attributes": {"spacing_mm": [0.2, 0.1], "quality": "good", "notes": "häßlich"},
            },
            {"id": 2, "file_name": "b.png", "width": 50, "height": 60},
        ],
        "annotations": [
            {
                "id": 7,
                "image_id": 1,
                "category_id": 1,
                "keypoints": list(L1),
                "attributes": {"level": "L1", "cement": True},
            }
        ],
    }


def write(folder: Path, content: object) -> Path:
    path = folder / "annotations.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def test_six_point_form(tmp_path: Path) -> None:
    first, second = read_annotations(write(tmp_path, document()))
    assert (first.file_name, first.width, first.height) == ("a.png", 100, 80)
    assert first.spacing_mm == (0.2, 0.1)
    assert first.attributes == {"quality": "good", "notes": "häßlich"}
    assert first.facing == "right", "inferred: the anterior points have the larger x"
    assert first.subject == "a.png"
    assert not first.levels_doubtful
    assert not first.complete
    (body,) = first.vertebrae
    assert (body.level, body.cement, body.hardware) == ("L1", True, False)
    np.testing.assert_array_equal(body.point("inferior_anterior"), [40, 31])
    assert second.vertebrae == ()
    assert second.facing is None


def test_stated_facing_wins_and_keypoints_may_stand_in_any_order(tmp_path: Path) -> None:
    content = document()
    content["images"][0]["attributes"]["facing"] = "left"
    content["categories"][0]["keypoints"] = list(reversed(POINTS))
    content["annotations"][0]["keypoints"] = [
        L1[3 * i + k] for i in range(5, -1, -1) for k in range(3)
    ]
    film = read_annotations(write(tmp_path, content))[0]
    assert film.facing == "left"
    np.testing.assert_array_equal(film.vertebrae[0].point("superior_middle"), [30, 11])


def test_invisible_points_are_nan_and_bodies_are_sorted(tmp_path: Path) -> None:
    content = document()
    hidden = list(L1)
    hidden[3:6] = [0, 0, 0]
    above = {"id": 8, "image_id": 1, "category_id": 1, "keypoints": hidden}
    content["annotations"].append(above | {"attributes": {"level": "T12"}})
    film = read_annotations(write(tmp_path, content))[0]
    assert [v.level for v in film.vertebrae] == ["T12", "L1"]
    assert np.isnan(film.vertebrae[0].point("superior_middle")).all()


def whole_spine() -> dict[str, Any]:
    """One film with C6, L5 and S1; one corner of C6 unseen, C5 wholly unseen."""
    points = {
        "C5TB": (0, 0, 0),
        "C6TB": (20, 5, 2),
        "C6TF": (30, 5, 2),
        "C6BB": (20, 9, 2),
        "C6BF": (0, 0, 0),
        "L5TB": (20, 10, 2),
        "L5TF": (40, 12, 2),
        "L5BB": (20, 30, 2),
        "L5BF": (40, 32, 2),
        "S1TB": (25, 40, 2),
        "S1TF": (45, 45, 2),
    }
    return {
        "categories": [{"id": 1, "keypoints": list(points)}],
        "images": [
            {"id": 3, "file_name": "s.png", "width": 80, "height": 90, "type": "sagittal"},
        ],
        "annotations": [
            {
                "id": 3,
                "image_id": 3,
                "category_id": 1,
                "keypoints": [value for point in points.values() for value in point],
            }
        ],
    }


def test_whole_spine_form(tmp_path: Path) -> None:
    (film,) = read_annotations(write(tmp_path, whole_spine()))
    assert [v.level for v in film.vertebrae] == ["L5", "S1"]
    assert film.facing == "right"
    lowest = film.vertebrae[0]
    np.testing.assert_array_equal(
        lowest.points[[0, 2, 3, 5]], [[40, 12], [20, 10], [20, 30], [40, 32]]
    )
    assert np.isnan(lowest.points[[1, 4]]).all(), "this form has no middle points"
    assert not film.vertebrae[1].has("inferior_anterior")
    others = film.attributes["other_bodies"]
    assert others == {"C6": [[30.0, 5.0], [20.0, 5.0], [20.0, 9.0], [None, None]]}
    assert film.attributes["type"] == "sagittal"


def test_round_trip(tmp_path: Path) -> None:
    points = np.array([[1.1234, 2], [np.nan, np.nan], [3, 4], [5, 6], [7, 8], [9, 10]])
    film = FilmAnnotation(
        file_name="sub/x.png",
        width=11,
        height=12,
        vertebrae=(Vertebra("T12", points, hardware=True), Vertebra("S1", points)),
        facing="left",
        spacing_mm=(0.15, 0.14),
        levels_doubtful=True,
        complete=True,
        view="frontal",
        subject="p1",
        attributes={"n": np.float32(0.5), "other_bodies": {"C6": [[1.0, None]]}},
    )
    path = tmp_path / "out.json"
    write_annotations(path, [film])
    (back,) = read_annotations(path)
    for name in ("file_name", "width", "height", "facing", "spacing_mm", "levels_doubtful"):
        assert getattr(back, name) == getattr(film, name)
    assert (back.complete, back.view, back.subject) == (True, "frontal", "p1")
    assert back.attributes == {"n": 0.5, "other_bodies": {"C6": [[1.0, None]]}}
    assert back.vertebrae[0].hardware
    expected = points.copy()
    expected[0, 0] = 1.123
    np.testing.assert_array_equal(back.vertebrae[0].points, expected)


def test_a_body_without_points_and_a_strange_attribute_are_not_written(tmp_path: Path) -> None:
    empty = FilmAnnotation("x.png", 9, 9, (Vertebra("L1", np.full((6, 2), np.nan)),))
    with pytest.raises(AnnotationError, match="L1 has no point"):
        write_annotations(tmp_path / "x.json", [empty])
    strange = FilmAnnotation("x.png", 9, 9, (), attributes={"f": float("nan")})
    with pytest.raises(AnnotationError, match="cannot be written"):
        write_annotations(tmp_path / "x.json", [strange])


def test_categories_without_landmarks_are_ignored(tmp_path: Path) -> None:
    content = document()
    content["categories"].append({"id": 2, "name": "screw"})
    content["annotations"].append({"id": 9, "image_id": 1, "category_id": 2, "bbox": [0, 0, 1, 1]})
    assert len(read_annotations(write(tmp_path, content))[0].vertebrae) == 1


Change = Callable[[dict[str, Any]], object]
BROKEN: dict[str, tuple[Change, str]] = {
    "no images": (lambda d: d.pop("images"), "annotations.json: images is missing"),
    "images no list": (lambda d: d.update(images={}), "images is {}; expected a list"),
    "image no object": (lambda d: d.update(images=[3]), "image at place 0: expected an object"),
    "id used twice": (lambda d: d["images"][1].update(id=1), "image 1: id is 1"),
    "file name used twice": (lambda d: d["images"][1].update(file_name="a.png"), "'a.png'"),
    "path outside": (lambda d: d["images"][0].update(file_name="../../x"), "image 1: file_name"),
    "absolute path": (lambda d: d["images"][0].update(file_name="/etc/x"), "image 1: file_name"),
    "no width": (lambda d: d["images"][0].update(width=0), "image 1: width is 0"),
    "huge width": (lambda d: d["images"][0].update(width=10**9), "image 1: width"),
    "facing": (lambda d: d["images"][0]["attributes"].update(facing="up"), "facing is 'up'"),
    "spacing zero": (
        lambda d: d["images"][0]["attributes"].update(spacing_mm=[0, 0.1]),
        "image 1: attributes: spacing_mm is 0",
    ),
    "spacing one": (lambda d: d["images"][0]["attributes"].update(spacing_mm=[1]), "row, column"),
    "spacing NaN": (
        lambda d: d["images"][0]["attributes"].update(spacing_mm=[float("nan"), 1]),
        "spacing_mm is nan",
    ),
    "doubtful": (
        lambda d: d["images"][0]["attributes"].update(levels_doubtful="no"),
        "levels_doubtful is 'no'; expected true or false",
    ),
    "unknown level": (
        lambda d: d["annotations"][0]["attributes"].update(level="L9"),
        "annotation 7: attributes: level is 'L9'; expected one of C7, T1",
    ),
    "level a list": (
        lambda d: d["annotations"][0]["attributes"].update(level=["L1"]),
        r"level is \['L1'\]",
    ),
    "no level": (
        lambda d: d["annotations"][0].pop("attributes"),
        "annotation 7: attributes: level is missing",
    ),
    "keypoints short": (
        lambda d: d["annotations"][0]["keypoints"].pop(),
        "annotation 7: keypoints is '17 values'; expected 18 numbers",
    ),
    "keypoint text": (
        lambda d: d["annotations"][0]["keypoints"].__setitem__(0, "x"),
        "keypoints of superior_anterior is 'x'",
    ),
    "keypoint NaN": (
        lambda d: d["annotations"][0]["keypoints"].__setitem__(1, float("nan")),
        "keypoints of superior_anterior is nan",
    ),
    "keypoint far": (
        lambda d: d["annotations"][0]["keypoints"].__setitem__(0, 10**400),
        "expected a number from -100 to 200",
    ),
    "visibility": (
        lambda d: d["annotations"][0]["keypoints"].__setitem__(2, 3),
        "visibility 0, 1 or 2",
    ),
    "unknown image": (lambda d: d["annotations"][0].update(image_id=5), "image_id is 5"),
    "unknown category": (lambda d: d["annotations"][0].update(category_id=5), "category_id is 5"),
    "id a list": (lambda d: d["annotations"][0].update(image_id=[1]), r"image_id is \[1\]"),
    "level twice": (
        lambda d: d["annotations"].append(d["annotations"][0] | {"id": 8}),
        "annotation 8: level L1 twice",
    ),
    "strange names": (
        lambda d: d["categories"][0].update(keypoints=["nose"]),
        "category 1: keypoints is 'nose'",
    ),
    "names twice": (
        lambda d: d["categories"][0].update(keypoints=["T1TF", "T1TF"]),
        "names that differ",
    ),
    "forms mixed": (
        lambda d: d["categories"][0].update(keypoints=["T12TF", *POINTS[1:]]),
        "names of one form only",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_files_are_refused_with_place_and_field(tmp_path: Path, case: str) -> None:
    change, message = BROKEN[case]
    content = document()
    change(content)
    with pytest.raises(AnnotationError, match=message) as caught:
        read_annotations(write(tmp_path, content))
    assert "annotations.json" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("data", [b"", b"{", b"\xff\xfe\x00", b"[" * 100_000, b"[]", b"null"])
def test_what_is_no_annotation_file_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "annotations.json"
    path.write_bytes(data)
    with pytest.raises(AnnotationError, match=r"annotations\.json"):
        read_annotations(path)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(AnnotationError, match="No such file"):
        read_annotations(tmp_path / "none.json")


def png(path: Path, shape: tuple[int, ...], dtype: type = np.uint8) -> None:
    path.parent.mkdir(exist_ok=True)
    assert cv2.imwrite(str(path), np.full(shape, 7, dtype))


def test_load_films(tmp_path: Path) -> None:
    path = write(tmp_path, document())
    png(tmp_path / "images" / "a.png", (80, 100), np.uint16)
    png(tmp_path / "images" / "b.png", (60, 50, 3))
    first, second = load_films(path)
    assert first.image.dtype == np.uint16
    assert first.image[0, 0] == 7
    assert second.image.shape == (60, 50), "colour becomes grey"
    assert (first.name, first.spacing_mm, first.vertebrae[0].level) == ("a.png", (0.2, 0.1), "L1")
    assert load_films(path, tmp_path / "images")[0].name == "a.png"


def test_images_of_another_size_missing_or_broken_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path, document())
    with pytest.raises(AnnotationError, match=r"a\.png: No such file"):
        load_films(path)
    png(tmp_path / "a.png", (80, 99))
    with pytest.raises(AnnotationError, match=r"a\.png is 99 x 80 pixels.*say 100 x 80"):
        load_films(path)
    for junk in (b"", b"not a picture"):
        (tmp_path / "a.png").write_bytes(junk)
        with pytest.raises(AnnotationError, match=r"a\.png cannot be decoded"):
            load_films(path)


def test_the_data_sets(data_dir: Path) -> None:
    lumbar = read_annotations(data_dir / "lumbar-laterals" / "annotations.json")
    assert len(lumbar) == 19
    assert sum(len(f.vertebrae) for f in lumbar) == 86
    assert {f.facing for f in lumbar} == {"left", "right"}
    whole = read_annotations(data_dir / "whole-spine-laterals" / "annotations.json")
    assert len(whole) == 20
    assert {f.facing for f in whole} == {"right"}
    assert sum(f.attributes["hardware"] for f in whole) == 4
    assert any(
        set(f.attributes.get("other_bodies", {})) == {"C2", "C3", "C4", "C5", "C6"} for f in whole
    )
    exact = read_annotations(data_dir / "whole-spine-laterals" / "annotations-six-points.json")
    assert sum(len(f.vertebrae) for f in exact) == 90


def test_the_first_film_of_the_data_set_has_its_pixels(data_dir: Path, tmp_path: Path) -> None:
    source = data_dir / "lumbar-laterals"
    content = json.loads((source / "annotations.json").read_text(encoding="utf-8"))
    content["images"] = content["images"][:1]
    keep = content["images"][0]["id"]
    content["annotations"] = [a for a in content["annotations"] if a["image_id"] == keep]
    (film,) = load_films(write(tmp_path, content), source / "images")
    assert film.image.shape == (351, 393)
    assert film.facing == "left"
