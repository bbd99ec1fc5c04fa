"""Results of a reading as DICOM files: what goes back to a PACS."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

from endplate.errors import InputError, MissingDependency, UnknownName
from endplate.reports.reading_json import reading_text
from endplate.study.reading import Reading

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

    from endplate.reports.canvas import Picture
    from endplate.reports.dicom.film import Film
    from endplate.reports.dicom.uids import UidMaker

__all__ = [
    "KINDS",
    "ResultRequest",
    "dicom_builders",
    "require_dicom_results",
    "write_dicom_results",
]

#: Structured report, presentation state, secondary capture.
KINDS: Final = ("sr", "gsps", "sc")


@dataclass(frozen=True, slots=True)
class ResultRequest:
    """Which objects are wanted; see `write_dicom_results`.

    Raises
    ------
    UnknownName
        If a kind is none of `KINDS`.
    InputError
        If the time point is empty or too long.
    """

    kinds: tuple[str, ...]
    uid_root: str = "2.25"
    deterministic: bool = True
    time_point: str | None = None
    index_level: str | None = None

    def __post_init__(self) -> None:
        for kind in self.kinds:
            if kind not in KINDS:
                raise UnknownName("kind of DICOM result", kind, KINDS)
        if self.time_point is not None and not 0 < len(self.time_point.strip()) <= 64:
            raise InputError(f"time point {self.time_point!r}: expected 1 to 64 characters")


def require_dicom_results() -> None:
    """Raise `MissingDependency` unless what writes DICOM objects is installed."""
    if find_spec("highdicom") is None:
        raise MissingDependency("highdicom", "dicom", "writing DICOM results")


def write_dicom_results(
    reading: Reading,
    source_path: str | Path,
    out_dir: str | Path,
    *,
    uid_root: str = "2.25",
    deterministic: bool = False,
    kinds: Iterable[str] = ("sr", "gsps"),
    name: str | None = None,
    time_point: str | None = None,
    index_level: str | None = None,
) -> tuple[Path, ...]:
    """Write a reading as DICOM objects that refer to its film.

    Parameters
    ----------
    reading : Reading
        Of the film at `source_path`. A rejected reading gives a structured report only: there
        is nothing to draw.
    source_path : path
        The DICOM film. Patient and study are taken from it.
    out_dir : path
        Folder, made if it does not exist.
    uid_root : str
        Root of the new identifiers, ``2.25`` or one of your own.
    deterministic : bool
        The same reading and film then always give the same files, byte for byte.
    kinds : iterable of str
        Some of `KINDS`.
    name : str, optional
        Stem of the new files, by default that of the film; ``-sr.dcm`` and the like are added.
    time_point : str, optional
        Of the follow-up, such as ``pre-operative`` or ``3 months``; written into the report.
    index_level : str, optional
        The injured level, for what is drawn.

    Returns
    -------
    tuple of Path
        In the order of `KINDS`.

    Raises
    ------
    MissingDependency
        If highdicom is not installed.
    UnknownName
        If a kind is none of the three.
    InputError
        If the film is no DICOM film, or not the one that was read, or the folder cannot be
        written to.
    """
    require_dicom_results()
    source_path, out_dir = Path(source_path), Path(out_dir)
    request = ResultRequest(tuple(kinds), uid_root, deterministic, time_point, index_level)
    source = _header(source_path, reading)

    def picture() -> "Picture":
        from endplate.imaging.read import read_radiograph
        from endplate.reports.overlay import draw_overlay

        pixels = read_radiograph(source_path).pixels
        return draw_overlay(pixels, reading, index_level=index_level)

    builders = dicom_builders(reading, source, source_path.name, request, picture)
    made = [(kind, build()) for kind, build in builders]
    return _save(made, out_dir, name or source_path.stem)


def dicom_builders(
    reading: Reading,
    source: "Dataset",
    name: str,
    request: ResultRequest,
    picture: "Callable[[], Picture]",
    text: str | None = None,
) -> "list[tuple[str, Callable[[], Dataset]]]":
    """What makes a reading DICOM objects that refer to a film.

    Parameters
    ----------
    source : Dataset
        Header of the film.
    name : str
        How messages call the film.
    picture : callable
        Gives the film with the reading drawn on it, for a secondary capture; asked for that only.
    text : str, optional
        Of the reading (`endplate.reports.reading_json.reading_text`), where it is at hand.

    Returns
    -------
    list of (str, callable)
        Kind, and what makes the object, in the order of `KINDS`; of a rejected reading the report
        only. It raises `InputError` if the film cannot have such an object.

    Raises
    ------
    InputError
        If the film is not the one that was read, or none that can be referred to.
    """
    from endplate.reports.dicom.film import film_of
    from endplate.reports.dicom.uids import UidMaker

    film = film_of(source, reading, name)
    given = (film.header.SOPInstanceUID, str(request.time_point), str(request.index_level))
    seed = (text or reading_text(reading)) + "".join(given)
    uids = UidMaker(request.uid_root, seed if request.deterministic else None)
    wanted = request.kinds
    if reading.quality.status == "rejected" or not reading.vertebrae:
        wanted = tuple(kind for kind in wanted if kind == "sr")
    return [
        (kind, partial(_build, kind, reading, film, uids, request, picture))
        for kind in KINDS
        if kind in wanted
    ]


def _header(path: Path, reading: Reading) -> "Dataset":
    """Header of the film, after a check that it is the file that was read."""
    # Imported late, like highdicom: most runs write no DICOM results.
    from pydicom import dcmread

    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        if digest != reading.source.sha256:
            raise InputError(
                f"{path.name}: is not the file that was read: its SHA-256 begins with"
                f" {digest[:12]}, that of the reading with {reading.source.sha256[:12]}"
            )
        return dcmread(path, stop_before_pixels=True, force=True)
    except OSError as error:
        raise InputError(f"{path.name}: cannot be read: {error.strerror}") from error
    except InputError:
        raise
    except Exception as error:  # whatever a damaged file makes the parser do
        raise InputError(f"{path.name}: is no DICOM film that can be read ({error})") from error


def _build(
    kind: str,
    reading: Reading,
    film: "Film",
    uids: "UidMaker",
    request: ResultRequest,
    picture: "Callable[[], Picture]",
) -> "Dataset":
    if kind == "sr":
        from endplate.reports.dicom.sr import build_sr

        return build_sr(reading, film, uids, request.time_point)
    if kind == "gsps":
        from endplate.reports.dicom.gsps import build_gsps

        return build_gsps(reading, film, uids, request.index_level)
    from endplate.reports.dicom.secondary import build_secondary_capture

    return build_secondary_capture(reading, film, uids, picture())


def _save(made: Sequence[tuple[str, "Dataset"]], out_dir: Path, name: str) -> tuple[Path, ...]:
    from endplate.reports.dicom.encode import encode_dicom

    try:
        out_dir.mkdir(parents=True, exist_ok=True)
        paths = []
        for kind, dataset in made:
            path = out_dir / f"{name}-{kind}.dcm"
            path.write_bytes(encode_dicom(dataset))
            paths.append(path)
        return tuple(paths)
    except OSError as error:
        raise InputError(f"{out_dir}: cannot be written to: {error.strerror}") from error
