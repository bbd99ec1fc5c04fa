"""``endplate score`` for a CT: a series or NIfTI in, reading and pictures out."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from endplate.infer.outputs import OutputFolder
from endplate.infer.terminal import complain, show
from endplate.reports.canvas import Picture
from endplate.reports.coronal import draw_coronal
from endplate.reports.overlay import write_overlay
from endplate.reports.table import reading_table
from endplate.study.identity import without_identity
from endplate.study.reading import Reading

if TYPE_CHECKING:
    from endplate.infer.ct import CtReading
    from endplate.infer.find import Anchor
    from endplate.infer.pipeline import FilmReader

__all__ = ["CtRequest", "is_ct", "score_ct"]


@dataclass(frozen=True)
class CtRequest:
    """What is asked for of one CT.

    Parameters
    ----------
    labels : Path or None
        A label volume to read the points from; None: the networks read the sagittal slab.
    label_scheme : str
        ``auto`` or a key of `SCHEMES`.
    """

    labels: Path | None = None
    label_scheme: str = "auto"
    index_level: str | None = None
    anchors: "tuple[Anchor, ...]" = ()
    keep_identity: bool = False
    quiet: bool = False


def is_ct(path: str) -> bool:
    """Whether a path is a CT volume: NIfTI, a zip or folder of slices, an enhanced file."""
    place = Path(path)
    raster = (".png", ".jpg", ".jpeg", ".tif", ".tiff")
    if not place.exists() or place.suffix.lower() in raster:
        return False
    from endplate.imaging.ct.read import looks_like_ct

    return looks_like_ct(place)


def score_ct(
    path: str, request: CtRequest, reader: "FilmReader | None", folder: OutputFolder | None
) -> Reading:
    """Read one CT, write its files and show its table.

    Parameters
    ----------
    reader : FilmReader or None
        Not needed with labels.

    Raises
    ------
    EndplateError
        If the CT or the labels cannot be read or measured.
    """
    from endplate.imaging.ct.labels import read_labels
    from endplate.imaging.ct.read import read_ct
    from endplate.imaging.ct.slab_file import SLAB_SUFFIX, write_sheet
    from endplate.infer.ct import read_ct_labels, read_ct_slab

    ct = read_ct(path)
    if request.labels is not None:
        labels = read_labels(request.labels, request.label_scheme)
        result = read_ct_labels(ct, labels, index_level=request.index_level)
    else:
        assert reader is not None
        result = read_ct_slab(ct, reader, index_level=request.index_level, anchors=request.anchors)
    reading = result.reading if request.keep_identity else without_identity(result.reading)
    written: tuple[Path, ...] = ()
    if folder is not None:
        coronal = _coronal(result) if folder.overlay else None
        written = folder.write(path, result.slab.pixels, reading, request.index_level, coronal)
        map_path = written[0].with_name(f"{written[0].stem}{SLAB_SUFFIX}")
        write_sheet(map_path, result.slab, reading.source.sha256)
        written = (*written, map_path)
        if coronal is not None:
            coronal_path = written[0].with_name(f"{written[0].stem}-coronal.png")
            write_overlay(coronal_path, coronal)
            written = (*written, coronal_path)
    for note in result.notes:
        complain(f"{path}: {note}")
    if not request.quiet:
        show(reading_table(reading, request.index_level))
        if written:
            show("Wrote " + ", ".join(str(p) for p in written) + "\n")
    return reading


def _coronal(result: "CtReading") -> Picture:
    """The coronal strip with the line that the slab follows, and the levels."""
    strip = result.strip
    centres = [
        (v.level, strip.to_pixels(np.nanmean(v.points_mm, axis=0)))
        for v in result.reading.vertebrae
        if v.points_mm is not None
    ]
    return draw_coronal(strip.pixels, strip.path, centres, spacing_mm=strip.spacing)
