"""``endplate score``: films in, readings, pictures and reports out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from endplate.errors import InputError
from endplate.imaging.radiograph import Radiograph
from endplate.imaging.read import read_radiograph
from endplate.infer.cli_ct import is_ct
from endplate.infer.dicom_results import require_dicom_results, write_dicom_results
from endplate.infer.find import Anchor
from endplate.infer.outputs import OutputFolder
from endplate.infer.pipeline import FilmReader
from endplate.infer.terminal import complain, explain, print_json, show
from endplate.reports.table import reading_table
from endplate.study.identity import without_identity
from endplate.study.reading import Reading

__all__ = ["DicomOptions", "ScoreOptions", "exit_status", "score"]

_DEFAULT_FOLDER: Final = "endplate-output"


@dataclass(frozen=True)
class DicomOptions:
    """Which DICOM results are written (see `write_dicom_results`), and how."""

    kinds: tuple[str, ...] = ()
    uid_root: str = "2.25"
    time_point: str | None = None


@dataclass(frozen=True)
class ScoreOptions:
    """What the command line asked for; see the help of ``endplate score``."""

    output: Path | None = None
    json_target: str | None = None
    index_level: str | None = None
    spacing_mm: tuple[float, float] | None = None
    anchors: tuple[Anchor, ...] = ()
    overlay: bool = True
    report: bool = True
    keep_identity: bool = False
    provider: str = "auto"
    threads: int = 0
    weights: Path | None = None
    dicom: DicomOptions = DicomOptions()
    labels: Path | None = None
    label_scheme: str = "auto"
    debug: bool = False

    def output_folder(self) -> OutputFolder | None:
        """Where files go: nowhere if JSON goes to standard output and no folder was named."""
        if self.output is None and self.json_target == "-":
            return None
        return OutputFolder(self.output or Path(_DEFAULT_FOLDER), self.overlay, self.report)


@dataclass
class _Run:
    """The state of one call: the networks are loaded for the first film that can be read."""

    options: ScoreOptions
    make_reader: Callable[[], FilmReader]
    folder: OutputFolder | None
    readings: list[Reading] = field(default_factory=list)
    failures: int = 0
    _reader: FilmReader | None = None

    def read(self, path: str) -> Radiograph | None:
        """The film, or None after a sentence on standard error."""
        try:
            return read_radiograph(path, spacing_mm=self.options.spacing_mm)
        except Exception as error:  # one bad input must not cost the others their result
            self._fail(error, path)
            return None

    def reader(self) -> FilmReader:
        """The reader of films; its errors concern all films."""
        if self._reader is None:
            self._reader = self.make_reader()
        return self._reader

    def score_ct(self, path: str) -> None:
        """Read one CT and write its files; what fails is said and counted."""
        from endplate.infer.cli_ct import CtRequest, score_ct

        options = self.options
        reader = self.reader() if options.labels is None else None
        request = CtRequest(
            labels=options.labels,
            label_scheme=options.label_scheme,
            index_level=options.index_level,
            anchors=options.anchors,
            keep_identity=options.keep_identity,
            quiet=options.json_target == "-",
        )
        try:
            self.readings.append(score_ct(path, request, reader, self.folder))
        except Exception as error:  # one bad input must not cost the others their result
            self._fail(error, path)

    def score(self, path: str, radiograph: Radiograph) -> None:
        """Read one film and write its files; what fails is said and counted."""
        reader = self.reader()
        try:
            reading = reader.read(
                radiograph, index_level=self.options.index_level, anchors=self.options.anchors
            )
            if not self.options.keep_identity:
                reading = without_identity(reading)
            written: tuple[Path, ...] = ()
            if self.folder is not None:
                written = self.folder.write(
                    path, radiograph.pixels, reading, self.options.index_level
                )
                written += self._write_dicom(path, reading, written[0])
        except Exception as error:  # as above
            self._fail(error, path)
            return
        self.readings.append(reading)
        for note in radiograph.notes:
            complain(f"{path}: {note}")
        if self.options.json_target != "-":
            show(reading_table(reading, self.options.index_level))
            if written:
                show("Wrote " + ", ".join(str(p) for p in written) + "\n")

    def _write_dicom(self, path: str, reading: Reading, beside: Path) -> tuple[Path, ...]:
        """The DICOM results that were asked for, called like the reading's file."""
        dicom = self.options.dicom
        if not dicom.kinds:
            return ()
        return write_dicom_results(
            reading,
            path,
            beside.parent,
            uid_root=dicom.uid_root,
            deterministic=True,
            kinds=dicom.kinds,
            name=beside.stem,
            time_point=dicom.time_point,
            index_level=self.options.index_level,
        )

    def _fail(self, error: Exception, path: str) -> None:
        self.failures += 1
        explain(error, path, self.options.debug)


def score(
    paths: Sequence[str],
    options: ScoreOptions,
    make_reader: Callable[[], FilmReader] | None = None,
) -> int:
    """Score films one by one.

    Parameters
    ----------
    paths : sequence of str
        Files of radiographs.
    options : ScoreOptions
        What to do with them.
    make_reader : callable, optional
        Makes the reader of films, by default one with the shipped networks.

    Returns
    -------
    int
        Exit status: see `exit_status`.

    Raises
    ------
    EndplateError
        If the networks cannot be loaded, or the JSON file cannot be written.
    """

    def shipped() -> FilmReader:
        return FilmReader(options.weights, provider=options.provider, threads=options.threads)

    if options.dicom.kinds:
        require_dicom_results()
        if options.output_folder() is None:
            raise InputError("DICOM results need a folder: name it with -o")
    run = _Run(options, make_reader or shipped, options.output_folder())
    for path in paths:
        if options.labels is not None or is_ct(path):
            run.score_ct(path)
            continue
        radiograph = run.read(path)
        if radiograph is not None:
            run.score(path, radiograph)
    if options.json_target is not None and run.readings:
        print_json(options.json_target, run.readings, one=len(paths) == 1)
    rejected = sum(r.quality.status == "rejected" for r in run.readings)
    return exit_status(len(paths), run.failures, rejected)


def exit_status(inputs: int, failures: int, rejected: int) -> int:
    """0: all films were read and none rejected. 2: no film could be read. 1: some of several
    could not. 3: all could be read, and at least one was rejected by the quality gate.
    """
    if failures:
        return 2 if failures == inputs else 1
    return 3 if rejected else 0
