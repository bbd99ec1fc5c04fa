"""Readings and pixels of what a follow-up is given: readings, films, or a store."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from endplate.study.followup import FollowUp
    from endplate.study.reading import Reading

__all__ = ["FilmFinder", "readings_or_films"]


def readings_or_films(paths: Sequence[str]) -> "tuple[list[Reading], dict[str, Any]]":
    """Readings of the inputs, with the pixels of films, which the shipped networks read.

    Raises
    ------
    InputError
        If there is nothing of a name.
    """
    from endplate.infer.commands.inputs import is_store, load_readings

    readings: list[Reading] = []
    films: list[Path] = []
    for text in paths:
        path = Path(text)
        if is_store(text):
            readings += load_readings(text)
        elif path.is_dir():
            own = load_readings(path)
            readings += own
            if not own:
                films += sorted(p for p in path.rglob("*") if p.is_file())
        elif path.suffix.lower() == ".json" or not path.exists():
            readings += load_readings(path)
        else:
            films.append(path)
    pixels: dict[str, Any] = {}
    for reading, image in _read_films(films):
        readings.append(reading)
        pixels[reading.id] = image
    return readings, pixels


def _read_films(films: Sequence[Path]) -> "Iterator[tuple[Reading, Any]]":
    if not films:
        return
    from endplate.errors import EndplateError
    from endplate.imaging.read import read_radiograph
    from endplate.infer.pipeline import FilmReader
    from endplate.infer.terminal import explain

    reader = FilmReader()
    for film in films:
        try:
            radiograph = read_radiograph(str(film))
            yield reader.read(radiograph), radiograph.pixels
        except EndplateError as error:
            explain(error, str(film), debug=False)


class FilmFinder:
    """Finds the pixels of a reading by the path that it names, then by name in folders."""

    def __init__(self, places: Sequence[Path]) -> None:
        self.places = [p for p in places if p.is_dir()]
        self._names: dict[str, list[Path]] | None = None

    def all_of(self, result: "FollowUp", known: Mapping[str, Any]) -> dict[str, Any]:
        """Pixels of a subject's films by reading id, besides those that are known."""
        out = dict(known)
        for visit in result.visits:
            reading = visit.visit.reading
            if reading.id not in out and reading.parent not in out:
                image = self.find(reading)
                if image is not None:
                    out[reading.id] = image
        return out

    def find(self, reading: "Reading") -> Any:
        """(H, W) pixels, or None where the film is not found or not the one that was read."""
        from endplate.errors import EndplateError
        from endplate.imaging.read import read_radiograph

        for path in self._candidates(reading.source.path):
            try:
                radiograph = read_radiograph(str(path))
            except EndplateError:
                continue
            size = (radiograph.rows, radiograph.columns)
            same = reading.source.sha256 in ("", radiograph.sha256)
            if same and size == (reading.source.rows, reading.source.columns):
                return radiograph.pixels
        return None

    def _candidates(self, named: str) -> Iterator[Path]:
        path = Path(named)
        if named and path.is_file():
            yield path
        if self._names is None:
            self._names = {}
            for place in self.places:
                for file in place.rglob("*"):
                    self._names.setdefault(file.name, []).append(file)
        yield from self._names.get(path.name, [])
