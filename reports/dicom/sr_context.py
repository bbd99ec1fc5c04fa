"""What all measurement groups of a structured report share."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from endplate import __version__
from endplate.geometry.landmarks import Vertebra
from endplate.reports.dicom import content
from endplate.reports.dicom.codes import STANDARD_CODES, TIME_POINTS, Code, site_of_level
from endplate.reports.dicom.content import CONTAINS, MODIFIER, OBSERVED
from endplate.reports.dicom.film import Film
from endplate.reports.dicom.uids import UidMaker
from endplate.study.reading import Reading

__all__ = ["LONGEST_TEXT", "PLAIN", "PLANAR", "GroupContext"]

#: Templates of a group with an outline and of one without.
PLANAR: Final = "1410"
PLAIN: Final = "1501"
LONGEST_TEXT: Final = 1024
_PLACED_BY_PERSON: Final = "points placed by a person"


@dataclass(frozen=True, eq=False)
class GroupContext:
    """What all groups of a document share; see `build_sr`."""

    reading: Reading
    film: Film
    uids: UidMaker
    time_point: str | None = None
    lines: dict[tuple[str, Code], bytes] = field(default_factory=dict)
    """Lines between which was measured, as items: many measures share them."""

    @cached_property
    def bodies(self) -> Mapping[str, Vertebra]:
        """Vertebrae by level."""
        return {v.level: v for v in self.reading.vertebrae}

    @cached_property
    def source(self) -> bytes:
        """Reference to the film."""
        header = self.film.header
        return content.film_reference(str(header.SOPClassUID), str(header.SOPInstanceUID))

    @cached_property
    def algorithm_and_time(self) -> tuple[bytes, ...]:
        """Who placed the points, from which the measures follow, and at which time point."""
        return (*self._algorithm(), *self._time())

    @cached_property
    def hash_and_time(self) -> tuple[bytes, ...]:
        """The same with the hash of the networks."""
        return (*self._algorithm(full=True), *self._time())

    def _algorithm(self, full: bool = False) -> Iterator[bytes]:
        reader = self.reading.reader
        person = reader.kind == "person"
        name = "endplate" if person else reader.name or "endplate"
        version = __version__ if person else reader.version or __version__
        yield content.text(MODIFIER, STANDARD_CODES["algorithm"], name)
        yield content.text(MODIFIER, STANDARD_CODES["algorithm version"], version)
        told = _PLACED_BY_PERSON if person else f"sha256={reader.sha256}" * full
        if told and (person or reader.sha256):
            yield content.text(MODIFIER, STANDARD_CODES["algorithm parameters"], told)
        if not person:
            family = STANDARD_CODES["algorithm family"]
            yield content.code(MODIFIER, family, STANDARD_CODES["intelligence"])

    def _time(self) -> Iterator[bytes]:
        if self.time_point is None:
            return
        yield content.text(OBSERVED, STANDARD_CODES["time point"], self.time_point)
        kind = TIME_POINTS.get(self.time_point)
        if kind is not None:
            yield content.code(OBSERVED, STANDARD_CODES["time point type"], kind)

    def group(
        self,
        name: str,
        finding: Code,
        items: Iterable[bytes],
        level: str = "",
        template: str = PLAIN,
    ) -> bytes:
        """A group: what it is about, where, by whom, and its items.

        Parameters
        ----------
        name : str
            By which the group is tracked.
        level : str
            The finding site, ``""`` for the reading as a whole.
        template : str
            `PLANAR` or `PLAIN`.
        """
        uid = self.uids.make(f"track {name}")
        return content.container(
            CONTAINS,
            STANDARD_CODES["group"],
            template,
            (
                content.text(OBSERVED, STANDARD_CODES["tracking name"], name),
                content.uid(OBSERVED, STANDARD_CODES["tracking uid"], uid),
                content.code(CONTAINS, STANDARD_CODES["finding"], finding),
                *([_site(level)] if level else ()),
                *(self.algorithm_and_time if level else self.hash_and_time),
                *items,
            ),
        )


def _site(level: str) -> bytes:
    site, modifier = site_of_level(level)
    modifiers: tuple[bytes, ...] = ()
    if modifier is not None:
        modifiers = (content.code(MODIFIER, STANDARD_CODES["topography"], modifier),)
    return content.code(MODIFIER, STANDARD_CODES["site"], site, modifiers)
