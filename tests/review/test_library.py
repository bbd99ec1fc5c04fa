"""Readings are grouped by film; the last of a person counts."""

import json
from dataclasses import replace

import pytest

from endplate.errors import InputError
from endplate.reports.reading_json import read_reading, write_reading
from endplate.review.films import FilmShelf, pixel_bytes
from endplate.review.library import Library
from endplate.study.reading import Reader


def test_flagged_films_come_first(results):
    rows = json.loads(Library(results).rows_json())["films"]
    assert [r["status"] for r in rows] == ["flagged", "accepted", "accepted"]
    assert rows[0]["name"] == "film-1.png"
    assert all("path" not in r for r in rows)


def test_a_persons_reading_counts_though_a_model_read_later(results):
    model = read_reading(results / "film-0.json")
    person = replace(
        model,
        id="p",
        parent=model.id,
        reader=Reader("person", "anna"),
        created="2026-02-01T00:00:00Z",
    )
    again = replace(model, id="m2", created="2026-03-01T00:00:00Z")
    write_reading(results / "p.json", person)
    write_reading(results / "m2.json", again)
    library = Library(results)
    (entry,) = [e for e in library.entries() if len(e.summaries) == 3]
    assert entry.current.id == "p"
    assert entry.is_signed
    rows = json.loads(library.rows_json())["films"]
    assert [r["signed"] for r in rows] == [False, False, True]


def test_other_files_are_passed_over(results):
    (results / "junk.json").write_text("{")
    (results / "list.json").write_text("[1]")
    (results / "half.json").write_text('{"schema": "endplate/reading/1"}')
    (results / "deep.json").write_text("[" * 100_000)
    assert len(Library(results)) == 3


def test_the_index_is_kept_and_renewed(results):
    Library(results)
    index = results / "review" / "index.json"
    values = json.loads(index.read_text())
    assert len(values["files"]) == 3
    values["files"]["film-0.json"][2]["status"] = "rejected"
    index.write_text(json.dumps(values))
    rows = json.loads(Library(results).rows_json())["films"]
    assert "rejected" in [r["status"] for r in rows], "unchanged files come from the index"
    reading = read_reading(results / "film-0.json")
    write_reading(results / "film-0.json", replace(reading, created="2026-09-09T09:09:09+00:00"))
    rows = json.loads(Library(results).rows_json())["films"]
    assert "rejected" not in [r["status"] for r in rows]
    index.write_text("nonsense")
    assert len(Library(results)) == 3


def test_an_empty_folder_is_an_error(tmp_path):
    with pytest.raises(InputError, match="holds no readings"):
        Library(tmp_path)
    with pytest.raises(InputError, match="no such folder"):
        Library(tmp_path / "x")


def test_films_are_found_by_hash_wherever_they_lie(results, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (results / "films" / "film-0.png").rename(elsewhere / "renamed.png")
    (results / "films" / "film-1.png").rename(elsewhere / "film-1.png")
    library = Library(results)
    by_name = {e.current.values["path"]: e for e in library.entries()}
    alone = FilmShelf(library)
    assert alone.path(by_name["films/film-2.png"]) is not None
    assert alone.path(by_name["films/film-1.png"]) is None
    shelf = FilmShelf(library, [elsewhere])
    assert shelf.path(by_name["films/film-0.png"]) == elsewhere / "renamed.png"
    assert shelf.path(by_name["films/film-1.png"]) == elsewhere / "film-1.png"
    with pytest.raises(InputError, match="--films"):
        alone.radiograph(by_name["films/film-0.png"])


def test_a_changed_film_is_not_shown(results):
    film = results / "films" / "film-0.png"
    film.write_bytes((results / "films" / "film-1.png").read_bytes())
    library = Library(results)
    entry = next(e for e in library.entries() if e.current.values["path"].endswith("film-0.png"))
    assert FilmShelf(library).path(entry) is None


def test_pixels_and_thumbnails(results):
    library = Library(results)
    shelf = FilmShelf(library)
    entry = library.entries()[0]
    film = shelf.radiograph(entry)
    assert len(pixel_bytes(film.pixels)) == film.rows * film.columns * film.pixels.itemsize
    data = shelf.thumb(entry)
    assert data[:2] == b"\xff\xd8"
    assert (library.own / "thumbs" / f"{entry.key}.jpg").read_bytes() == data
    assert shelf.radiograph(entry) is film
