"""The files of a study, wherever they lie: a folder, a zip archive, a DICOMDIR, one file."""

import os
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from endplate.errors import InputError, UnreadableImage
from endplate.imaging.limits import MAX_FILE_BYTES
from endplate.imaging.parse import parse_dicom
from endplate.imaging.quiet import quiet_parsing
from endplate.imaging.scan_archive import ArchiveStopped, Budget, check_overlap
from endplate.imaging.tags import items, texts

__all__ = ["StudyFiles", "study_files"]

#: A study of more files than this is no study of one patient.
MAX_FILES: Final = 50_000


@dataclass(frozen=True, eq=False)
class StudyFiles:
    """Names of files that may be DICOM, and their bytes.

    Parameters
    ----------
    path : Path
        The folder, archive or file that was given.
    names : tuple of str
        Sorted; paths, or members of the archive.
    archive : zipfile.ZipFile or None
        Where they lie if not on disk.
    budget : Budget or None
        What may still be unpacked of the archive.
    """

    path: Path
    names: tuple[str, ...]
    archive: zipfile.ZipFile | None = None
    budget: Budget | None = None

    def read(self, name: str) -> bytes:
        """All bytes of a file.

        Raises
        ------
        UnreadableImage
            If it cannot be read, or is larger than 1 GiB.
        InputError
            If the archive unpacks to far more than its size.
        """
        try:
            if self.archive is None:
                if Path(name).stat().st_size > MAX_FILE_BYTES:
                    raise UnreadableImage(f"{name}: more than the 1 GiB that is read")
                return Path(name).read_bytes()
            return self._member(name)
        except (OSError, zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:
            raise UnreadableImage(f"{name}: cannot be read ({error})") from None

    def head(self, name: str, size: int) -> bytes:
        """The first bytes of a file, empty if it cannot be read."""
        try:
            if self.archive is None:
                with Path(name).open("rb") as file:
                    return file.read(size)
            with self.archive.open(name) as member:
                return member.read(size)
        except (OSError, zipfile.BadZipFile, RuntimeError, NotImplementedError):
            return b""

    def _member(self, name: str) -> bytes:
        assert self.archive is not None
        assert self.budget is not None
        # The directory of an archive may lie about sizes: what is inflated is bounded.
        with self.archive.open(name) as member:
            data = member.read(min(MAX_FILE_BYTES, max(self.budget.left, 0)) + 1)
        try:
            self.budget.spend(len(data))
        except ArchiveStopped as stopped:
            raise InputError(f"{self.path}: {stopped}") from stopped
        if len(data) > MAX_FILE_BYTES:
            raise UnreadableImage(f"{name}: inflates to more than the 1 GiB that is read")
        return data


def study_files(path: Path) -> StudyFiles:
    """List the files below `path`.

    Raises
    ------
    InputError
        If there is no such path, or too many files.
    UnreadableImage
        If the archive or the DICOMDIR is damaged.
    """
    if path.is_dir():
        listed = path / "DICOMDIR"
        if listed.is_file():
            # What the directory leaves out was deleted from the medium, by name at least.
            return _checked(StudyFiles(path, tuple(_of_dicomdir(listed)) or _below(path)))
        return _checked(StudyFiles(path, _below(path)))
    if not path.is_file():
        raise InputError(f"{path}: there is no such file or folder")
    if zipfile.is_zipfile(path):
        archive = _open_zip(path)
        names = sorted(m.filename for m in archive.infolist() if not m.is_dir())
        return _checked(StudyFiles(path, tuple(names), archive, Budget.of(path)))
    if path.name.upper() == "DICOMDIR":
        return _checked(StudyFiles(path, tuple(_of_dicomdir(path))))
    return StudyFiles(path, (str(path),))


def _open_zip(path: Path) -> zipfile.ZipFile:
    try:
        archive = zipfile.ZipFile(path)
        check_overlap(archive, path)
    except (ArchiveStopped, zipfile.BadZipFile, OSError, ValueError, RuntimeError) as error:
        raise UnreadableImage(f"{path}: {error}") from error
    return archive


def _checked(files: StudyFiles) -> StudyFiles:
    if len(files.names) > MAX_FILES:
        raise InputError(
            f"{files.path}: {len(files.names)} files, more than {MAX_FILES}: give the folder of"
            " one study"
        )
    return files


def _below(folder: Path) -> tuple[str, ...]:
    found = []
    for root, folders, names in os.walk(folder):
        folders.sort()
        found += [str(Path(root) / name) for name in names if not name.startswith(".")]
        if len(found) > MAX_FILES:
            break
    return tuple(sorted(found))


def _of_dicomdir(path: Path) -> Iterator[str]:
    """Files that a DICOMDIR refers to and that lie beside it."""
    try:
        with quiet_parsing():
            directory = parse_dicom(path.read_bytes(), str(path), bare=False)
            records = items(directory, "DirectoryRecordSequence")
    except Exception as error:  # whatever a damaged file makes the parser do
        raise UnreadableImage(f"{path}: the DICOMDIR is damaged") from error
    for record in records:
        parts = texts(record, "ReferencedFileID")
        relative = PurePosixPath(*parts) if parts else None
        if relative is None or relative.is_absolute() or ".." in relative.parts:
            continue
        file = path.parent.joinpath(*relative.parts)
        if file.is_file():
            yield str(file)
