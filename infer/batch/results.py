"""The DICOM results of a batch: what goes back to the PACS, one set for each film that was read."""

import hashlib
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from endplate.errors import EndplateError, InputError
from endplate.imaging.pseudonyms import Pseudonyms
from endplate.imaging.read import sniff
from endplate.infer.batch.sink import Sink
from endplate.infer.batch.task import CellSetup, Task, result_name
from endplate.infer.dicom_results import ResultRequest, dicom_builders
from endplate.reports.canvas import Picture
from endplate.study.reading import Reading

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

__all__ = ["FilmResults", "hidden_sha256", "no_results"]

_HEAD: Final = 1024
_MODULES: Final = {
    "sr": "endplate.reports.dicom.sr",
    "gsps": "endplate.reports.dicom.gsps",
    "sc": "endplate.reports.dicom.secondary",
}


class FilmResults:
    """Writes the DICOM results of films.

    With pseudonyms the results belong to the films without identity, as ``endplate pseudonymise``
    writes them with the same key.

    Parameters
    ----------
    setup : CellSetup
        Says which are wanted.
    sink : Sink
    pseudonyms : Pseudonyms or None
    """

    def __init__(self, setup: CellSetup, sink: Sink, pseudonyms: Pseudonyms | None) -> None:
        self.setup, self.sink, self.pseudonyms = setup, sink, pseudonyms
        for kind in setup.results:
            # Imported late by what uses it; here the time of the first film must not pay for it.
            import_module(_MODULES[kind])

    def write(
        self, task: Task, reading: Reading, text: str, picture: Callable[[], Picture]
    ) -> dict[str, Any]:
        """Write the results of a film; what the journal keeps of that.

        Parameters
        ----------
        reading : Reading
            As the batch wrote it, perhaps pseudonymous.
        text : str
            Of the reading's file.
        picture : callable
            Gives the film with the reading drawn on it, for the secondary capture.

        Returns
        -------
        dict
            Kinds that were ``asked`` for and ``written``, and a ``note`` why others were not. A
            film whose results cannot be written keeps its reading.
        """
        # Imported late, like pydicom: most batches write no DICOM results.
        from endplate.reports.dicom.encode import encode_dicom

        found = no_results(self.setup.results)
        if reading.quality.status == "rejected":
            return found
        for name, build in self._builders(task, reading, text, picture, found):
            try:
                data = encode_dicom(build())
            except MemoryError:
                raise
            except Exception as error:  # a fault of one object must not cost the reading
                _note(found, error)
                continue
            self.sink.write(result_name("dicom", task.number, f"-{name}.dcm"), data)
            found["written"].append(name)
        return found

    def _builders(
        self,
        task: Task,
        reading: Reading,
        text: str,
        picture: Callable[[], Picture],
        found: dict[str, Any],
    ) -> "list[tuple[str, Callable[[], Dataset]]]":
        """What makes each object; none, and a note, where the film can have no results."""
        setup = self.setup
        request = ResultRequest(setup.results, setup.uid_root, True, None, setup.index_level)
        try:
            header = self._header(task)
            return dicom_builders(reading, header, "the film", request, picture, text)
        except MemoryError:
            raise
        except Exception as error:
            _note(found, error)
            return []

    def write_later(
        self, task: Task, reading: Reading, text: str, picture: Callable[[], Picture]
    ) -> dict[str, Any]:
        """The same for a reading of an earlier call, after a check that the film is still it."""
        digest = hashlib.sha256(Path(task.file).read_bytes()).hexdigest()
        if self.pseudonyms is not None:
            digest = hidden_sha256(self.pseudonyms, digest)
        if digest != reading.source.sha256:
            found = no_results(self.setup.results)
            found["note"] = "the file is not the one that was read"
            return found
        return self.write(task, reading, text, picture)

    def _header(self, task: Task) -> "Dataset":
        """Header of the film, without identity if that is wanted."""
        from pydicom import dcmread

        from endplate.imaging.quiet import quiet_parsing

        with Path(task.file).open("rb") as file:
            if sniff(file.read(_HEAD)) != "DICOM":
                raise InputError("it is no DICOM file, to which results could refer")
        with quiet_parsing():
            header = dcmread(task.file, stop_before_pixels=True, force=True)
            if self.pseudonyms is None:
                return header
            from endplate.imaging.pseudonymise import pseudonymise

            return pseudonymise(header, self.pseudonyms)


def _note(found: dict[str, Any], error: Exception) -> None:
    """Note why an object was not written, unless one was noted before."""
    said = "" if isinstance(error, EndplateError) else f"{type(error).__name__}: "
    found["note"] = found["note"] or said + " ".join(str(error).split())[:300]


def no_results(asked: tuple[str, ...]) -> dict[str, Any]:
    """What the journal keeps of a film without results."""
    return {"asked": list(asked), "written": [], "note": ""}


def hidden_sha256(pseudonyms: Pseudonyms, sha256: str) -> str:
    """What pseudonymous readings hold in place of the hash of the film's file."""
    return hashlib.sha256(pseudonyms.uid(sha256).encode()).hexdigest()
