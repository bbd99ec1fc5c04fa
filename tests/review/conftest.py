"""A folder of readings beside their films, and the application on it."""

import hashlib
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import pytest
from starlette.testclient import TestClient

from endplate.datasets.simulator.api import simulate_film
from endplate.geometry.calibration import Calibration
from endplate.geometry.landmarks import Vertebra
from endplate.geometry.measure import measure
from endplate.infer.cli import main
from endplate.reports.reading_json import write_reading
from endplate.review.app import build_app
from endplate.review.assist import Assistant
from endplate.review.blinded import StudyPlan
from endplate.review.desk import Desk
from endplate.review.films import FilmShelf
from endplate.review.guard import GuardRules
from endplate.review.library import Library
from endplate.review.people import Doorkeeper, Person
from endplate.study.reading import Quality, Reader, Reading, Reason, Source

from ..infer.ct_phantom import PhantomSpine, make_phantom
from ..infer.test_ct import write_nifti

HOST = "127.0.0.1:8000"
COOKIE = "endplate_review_8000"


class Helper(Assistant):
    """Stands for the networks: moves a body by a known amount."""

    def unavailable(self):
        return ""

    def knows_slabs(self):
        return True

    def snap(self, film, body, level, down, *, inverted=False, slabs=None):
        if slabs is not None:
            assert {x.shape for x in slabs()} == {film.pixels.shape}
        return Vertebra(level, body + 0.5, np.eye(12), float("nan"), 0.9)


def read_film(
    path: Path, vertebrae, number: int, status: Literal["accepted", "flagged"]
) -> Reading:
    """A model's reading of a film."""
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert image is not None
    calibration = Calibration((0.3, 0.3), "detector")
    reasons = (Reason("level_uncertain", "The level names may be off."),)
    return Reading(
        id=f"reading-{number}",
        created=f"2026-01-0{number + 1}T08:00:00+00:00",
        reader=Reader("model", "endplate", "0.1.0", "ab" * 32),
        source=Source(
            f"films/{path.name}",
            hashlib.sha256(path.read_bytes()).hexdigest(),
            rows=image.shape[0],
            columns=image.shape[1],
            patient_id="P-1" if number < 2 else "P-2",
            study_date=f"202601{10 + number}",
            view="lateral",
        ),
        calibration=calibration,
        quality=Quality(status, reasons if status == "flagged" else ()),
        vertebrae=vertebrae,
        measurements=measure(vertebrae, calibration),
    )


@pytest.fixture(scope="session")
def prepared(tmp_path_factory):
    """Three simulated films with readings."""
    folder = tmp_path_factory.mktemp("results")
    (folder / "films").mkdir()
    for number in range(3):
        film = simulate_film(number)
        path = folder / "films" / f"film-{number}.png"
        cv2.imwrite(str(path), film.image)
        bodies = []
        for v in film.vertebrae:
            covariance = np.eye(12) * (0.015 * v.depth_px) ** 2
            unseen = np.repeat(np.isnan(v.points[:, 0]), 2)
            covariance[unseen] = covariance[:, unseen] = np.nan
            bodies.append(replace(v, covariance=covariance, level_probability=0.95))
        reading = read_film(
            path, tuple(bodies), number, ("accepted", "flagged", "accepted")[number]
        )
        write_reading(folder / f"film-{number}.json", reading)
    return folder


@pytest.fixture(scope="session")
def scored_ct(tmp_path_factory):
    """A folder with ``ct/chest.nii.gz`` and its results in ``out``."""
    folder = tmp_path_factory.mktemp("scored")
    levels = ("T12", "L1", "L2")
    phantom = make_phantom(PhantomSpine(12, 16, 12, (6, -8, 10), levels), (1.2, 1.2, 2.0))
    (folder / "ct").mkdir()
    write_nifti(folder / "ct" / "chest.nii.gz", phantom.ct)
    write_nifti(folder / "labels.nii.gz", phantom.labels)
    arguments = [str(folder / "ct" / "chest.nii.gz"), "--labels", str(folder / "labels.nii.gz")]
    options = ["--label-scheme", "verse", "-o", str(folder / "out"), "--no-report"]
    assert main(["score", *arguments, *options]) == 0
    return folder


@pytest.fixture
def ct_work(scored_ct, tmp_path):
    """A copy of a scored CT that may be written to."""
    shutil.copytree(scored_ct, tmp_path / "work")
    return tmp_path / "work"


@pytest.fixture
def results(prepared, tmp_path):
    """A copy that a test may write to."""
    folder = tmp_path / "results"
    shutil.copytree(prepared, folder)
    return folder


@pytest.fixture
def make(results):
    """Makes desk and door; keyword `plan` for a reader study."""

    def build(plan: StudyPlan | None = None, help_: bool = True):
        library = Library(results)
        assistant = Helper() if help_ else Assistant(results / "nowhere")
        desk = Desk(library, FilmShelf(library), assistant, plan)
        people = [Person("anna", "reviewer"), Person("ben", "reader")]
        door = Doorkeeper(people)
        rules = GuardRules(frozenset({HOST}), False, COOKIE)
        return desk, door, build_app(desk, door, rules)

    return build


class Browser:
    """A client that has come in, sending what a page of ours sends."""

    def __init__(self, app, door, name="anna", desk=None):
        self.app, self.door, self.desk = app, door, desk
        self.person = door.people[name]
        self.client = TestClient(app, base_url=f"http://{HOST}", follow_redirects=False)
        token = door.new_token(door.people[name])
        assert self.client.get(f"/?token={token}").status_code == 303
        self.session = self.get("/api/session").json()

    def get(self, path):
        return self.client.get(path)

    def post(self, path, values, **headers):
        own = {"x-endplate-csrf": self.session["csrf"], "origin": f"http://{HOST}", **headers}
        return self.client.post(path, json=values, headers=own)

    def films(self):
        return self.get("/api/films").json()["films"]


@pytest.fixture
def browser(make):
    """Anna, a reviewer, before ordinary review; `.desk` is there too."""
    desk, door, app = make()
    return Browser(app, door, desk=desk)


def wire(film):
    """What a page sends of a film as it came."""
    keys = ("level", "points", "origin", "hardware", "cement", "fractured")
    return {
        "base": film["reading"],
        "vertebrae": [{k: v[k] for k in keys} for v in film["vertebrae"]],
        "spacing_mm": None,
        "position": film["position"],
        "index_level": film["index_level"],
    }
