"""The films of a pseudonymised batch are shown, and nothing tells whose they are."""

import io
import shutil
import zipfile
from pathlib import Path
from typing import Any

import pytest

from endplate.errors import InputError
from endplate.infer.batch.options import BatchOptions
from endplate.infer.batch.run import run_batch
from endplate.review.app import build_app
from endplate.review.archived import Archived
from endplate.review.assist import Assistant
from endplate.review.batch_films import BatchFilms, find_private
from endplate.review.desk import Desk
from endplate.review.films import FilmShelf
from endplate.review.guard import GuardRules
from endplate.review.library import Library
from endplate.review.people import Doorkeeper, Person

from ..infer.batch_export import film
from .conftest import COOKIE, HOST, Browser, wire

_SECRETS = ("SECRET-7", "doe-", "Doe^", "1.2.8.", "20240131")


def batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, archive: bool = False, **options: Any
) -> Path:
    """Results of a batch of two films of one patient, perhaps in a zip archive."""
    modules = tmp_path / "modules"
    modules.mkdir()
    shutil.copy(Path(__file__).parents[1] / "infer" / "batch_fake_reader.py", modules)
    monkeypatch.setenv("PYTHONPATH", str(modules))
    root = tmp_path / "Doe^Jane"
    root.mkdir()
    for i, day in enumerate(("20240131", "20240302")):
        data = film(i, PatientID="SECRET-7", PatientName="Doe^Jane", StudyDate=day)
        if archive:
            with zipfile.ZipFile(root / "all.zip", "a") as file:
                file.writestr(f"Doe/doe-{i}", data)
        else:
            (root / f"doe-{i}").write_bytes(data)
    values: dict[str, Any] = {"workers": 1, "reader": "batch_fake_reader:make", **options}
    run_batch(BatchOptions(root, str(tmp_path / "out"), **values))
    return tmp_path / "out"


def open_review(shelf: FilmShelf) -> Browser:
    desk = Desk(shelf.library, shelf, Assistant(Path("nowhere")))
    door = Doorkeeper([Person("anna", "reviewer")])
    app = build_app(desk, door, GuardRules(frozenset({HOST}), False, COOKIE))
    return Browser(app, door, desk=desk)


def test_films_of_a_pseudonymised_batch(tmp_path, monkeypatch):
    out = batch(tmp_path, monkeypatch, pseudonymise=True)
    library = Library(out)
    browser = open_review(FilmShelf(library, (), find_private(library.folder, None)))
    rows = browser.films()
    assert len(rows) == 2
    assert rows[0]["subject"] == rows[1]["subject"]
    for row in rows:
        key = row["key"]
        shown = browser.get(f"/api/films/{key}")
        assert shown.json()["found"]
        assert browser.get(f"/api/films/{key}/pixels").status_code == 200
        assert browser.get(f"/api/films/{key}/thumb").content[:2] == b"\xff\xd8"
        edit = {**wire(shown.json()), "verdict": "accepted"}
        assert browser.post(f"/api/films/{key}/sign", edit).status_code == 200
        told = [shown.text, *(browser.get(f"/api/films/{key}/{x}").text for x in ("timeline",))]
        told += [
            browser.get(f"/api/films/{key}/export/{x}").text for x in ("report", "csv", "json")
        ]
        assert not shown.json()["has_sr"]
        refused = browser.get(f"/api/films/{key}/export/sr")
        assert "pseudonym" in refused.json()["error"]
        told += [browser.get("/api/films").text, refused.text]
        packed = browser.get(f"/api/films/{key}/export/all").content
        with zipfile.ZipFile(io.BytesIO(packed)) as archive:
            kinds = sorted(name.rpartition(".")[2] for name in archive.namelist())
        assert kinds == ["csv", "html", "json", "png"], "and no SR, which would name the patient"
        for secret in _SECRETS:
            assert not any(secret in text for text in told), secret
    for path in (out / "review").rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert not any(secret.encode() in content for secret in _SECRETS), path


def test_a_film_that_changed_is_not_shown(tmp_path, monkeypatch):
    out = batch(tmp_path, monkeypatch, pseudonymise=True)
    (tmp_path / "Doe^Jane" / "doe-0").write_bytes(film(7, PatientID="SECRET-7"))
    library = Library(out)
    shelf = FilmShelf(library, (), find_private(library.folder, None))
    found = {e.current.values["path"]: shelf.path(e) for e in library.entries()}
    assert sorted(path is None for path in found.values()) == [False, True]


def test_the_private_folder_may_lie_elsewhere(tmp_path, monkeypatch):
    out = batch(tmp_path, monkeypatch, pseudonymise=True)
    (out / "private").rename(tmp_path / "safe")
    library = Library(out)
    assert find_private(library.folder, None) is None
    shelf = FilmShelf(library, (), find_private(library.folder, tmp_path / "safe"))
    assert all(shelf.path(e) is not None for e in library.entries())
    with pytest.raises(InputError, match="private folder of a batch"):
        BatchFilms(tmp_path)


def test_a_batch_without_pseudonyms_needs_none(tmp_path, monkeypatch):
    out = batch(tmp_path, monkeypatch)
    with pytest.raises(InputError, match="without pseudonyms"):
        BatchFilms(out / "private")
    library = Library(out)
    assert find_private(library.folder, None) is None
    shelf = FilmShelf(library)
    assert all(shelf.path(e) is not None for e in library.entries())


@pytest.mark.parametrize("pseudonymise", [True, False])
def test_films_inside_archives(tmp_path, monkeypatch, pseudonymise):
    out = batch(tmp_path, monkeypatch, archive=True, pseudonymise=pseudonymise)
    library = Library(out)
    shelf = FilmShelf(library, (), find_private(library.folder, None))
    films = {shelf.radiograph(e).sha256 for e in library.entries()}
    assert len(films) == 2
    paths = [shelf.path(e) for e in library.entries()]
    assert all(p is not None and p.parent.stat().st_mode & 0o077 == 0 for p in paths)
    assert len({p.parent for p in paths if p is not None}) == 1


def test_no_path_leads_out_of_an_export(tmp_path):
    (tmp_path / "export").mkdir()
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as file:
        file.writestr("x", b"secret")
    archived = Archived()
    for path in ("../other.zip/x", "/other.zip/x", "x", "", "other.zip/x"):
        assert archived.film(tmp_path / "export", path) is None
    assert archived.film(tmp_path / "other.zip", "other.zip/y") is None
    found = archived.film(tmp_path / "other.zip", "other.zip/x")
    assert found is not None
    assert found.read_bytes() == b"secret"
