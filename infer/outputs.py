"""Files that a scored film leaves behind."""

from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Final

import numpy as np
import numpy.typing as npt

from endplate.errors import EndplateError, InputError
from endplate.reports.html import write_report
from endplate.reports.overlay import draw_overlay, write_overlay
from endplate.reports.reading_json import read_reading, write_reading
from endplate.study.reading import Reading

__all__ = ["OutputFolder", "stem_of"]

_IMAGES: Final = (".dcm", ".dicom", ".ima", ".png", ".jpg", ".jpeg", ".tif", ".tiff")
_VOLUMES: Final = (".nii.gz", ".nii", ".zip")
_LONGEST_STEM: Final = 120


def stem_of(path: str) -> str:
    """File name without the suffix of an image or volume; other dots belong to the name,
    as in DICOM files that are called after their unique identifier.
    """
    name = PurePath(path).name or "film"
    suffix = next((s for s in (*_VOLUMES, *_IMAGES) if name.lower().endswith(s)), "")
    return (name[: -len(suffix)] if suffix else name)[:_LONGEST_STEM] or name


@dataclass
class OutputFolder:
    """A folder in which no film overwrites the files of another.

    Parameters
    ----------
    folder : Path
        Made if it does not exist.
    overlay, report : bool
        Whether those are written; the reading always is.
    """

    folder: Path
    overlay: bool = True
    report: bool = True
    _taken: set[str] = field(default_factory=set)

    def write(
        self,
        path: str,
        image: npt.NDArray[np.generic],
        reading: Reading,
        index_level: str | None = None,
        coronal: npt.NDArray[np.uint8] | None = None,
    ) -> tuple[Path, ...]:
        """Write the files of one film.

        Parameters
        ----------
        path : str
            The film's file, after which its outputs are called.
        image : (H, W) array
            Its pixels.
        coronal : (H, W, 3) array or None
            Of a CT: its coronal picture, for the report.

        Returns
        -------
        tuple of Path
            Reading, then overlay, then report, where asked for.

        Raises
        ------
        InputError
            If the folder cannot be written to.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            name = self._name_for(path, reading)
            return self._write(name, image, reading, index_level, coronal)
        except OSError as error:
            raise InputError(f"{self.folder}: cannot be written to: {error.strerror}") from error

    def _write(
        self,
        name: str,
        image: npt.NDArray[np.generic],
        reading: Reading,
        index_level: str | None,
        coronal: npt.NDArray[np.uint8] | None,
    ) -> tuple[Path, ...]:
        json_path, overlay_path, report_path = self._paths(name)
        write_reading(json_path, reading)
        written = [json_path]
        if self.overlay:
            write_overlay(overlay_path, draw_overlay(image, reading, index_level=index_level))
            written.append(overlay_path)
        if self.report:
            picture = None
            if self.overlay:
                # The page has the numbers itself, and is read on a screen.
                picture = draw_overlay(
                    image, reading, index_level=index_level, long_side=1200, panel=False
                )
            write_report(report_path, reading, picture, index_level=index_level, coronal=coronal)
            written.append(report_path)
        return tuple(written)

    def _paths(self, name: str) -> tuple[Path, Path, Path]:
        return (
            self.folder / f"{name}.json",
            self.folder / f"{name}-overlay.png",
            self.folder / f"{name}.html",
        )

    def _name_for(self, path: str, reading: Reading) -> str:
        """The stem, with a number if it belongs to another film of this run or an earlier one."""
        stem, number = stem_of(path), 1
        name = stem
        while name in self._taken or not self._is_ours(name, reading):
            number += 1
            name = f"{stem}-{number}"
        self._taken.add(name)
        return name

    def _is_ours(self, name: str, reading: Reading) -> bool:
        """Whether these names are free, or hold an earlier result of the same file."""
        json_path, *others = self._paths(name)
        if not json_path.exists():
            return not any(p.exists() for p in others)
        try:
            return read_reading(json_path).source.sha256 == reading.source.sha256
        except EndplateError:
            return False
