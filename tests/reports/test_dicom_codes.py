"""Codes against the dictionaries of pydicom, and identifiers."""

import re
from typing import Any

import pytest
from pydicom.sr import _concepts_dict

from endplate.errors import InputError, UnknownName
from endplate.geometry.catalogue import CATALOGUE
from endplate.geometry.levels import LEVELS, POINTS
from endplate.geometry.measurement import Measurement
from endplate.reports.dicom import codes
from endplate.reports.dicom.codes import LOCAL_SCHEME, Code
from endplate.reports.dicom.uids import UidMaker


def all_codes() -> list[Code]:
    sites = [code for level in LEVELS for code in codes.site_of_level(level) if code is not None]
    return [
        *codes.MEASURES.values(),
        *codes.CONCEPTS.values(),
        *codes.POINT_CODES.values(),
        *codes.STANDARD_CODES.values(),
        *codes.TIME_POINTS.values(),
        *codes.MODALITIES.values(),
        *codes.UNITS.values(),
        *sites,
    ]


@pytest.mark.parametrize("scheme", ["SCT", "DCM"])
def test_standard_codes_are_in_the_dictionaries_with_their_meaning(scheme: str) -> None:
    known: dict[str, set[str]] = {}
    concepts: Any = _concepts_dict.concepts
    for named in concepts[scheme].values():
        for value, (meaning, _) in named.items():
            known.setdefault(value, set()).add(meaning)
    ours = [code for code in all_codes() if code.scheme == scheme]
    assert ours
    for code in ours:
        assert code.meaning in known.get(code.value, set()), code


def test_codes_keep_the_lengths_of_the_standard() -> None:
    for code in all_codes():
        assert code.scheme in ("SCT", "DCM", "UCUM", "UMLS", LOCAL_SCHEME)
        assert 0 < len(code.value) <= 16, code
        assert 0 < len(code.meaning) <= 64, code


def test_local_code_values_mean_one_thing_each() -> None:
    local = [*codes.MEASURES.values(), *codes.CONCEPTS.values(), *codes.POINT_CODES.values()]
    values = [code.value for code in local]
    assert len(set(values)) == len(values)


def test_every_measure_level_and_point_has_a_code_and_is_found_by_it() -> None:
    assert set(codes.MEASURES) == set(CATALOGUE)
    for name, code in codes.MEASURES.items():
        assert codes.measure_of_code(code.value) == name
    for level in LEVELS:
        site, modifier = codes.site_of_level(level)
        assert codes.level_of_code(site.value, modifier and modifier.value) == level
    assert set(codes.POINT_CODES) == set(POINTS)
    assert codes.level_of_code("54735007", None) is None
    with pytest.raises(UnknownName, match="unknown level 'S9'"):
        codes.site_of_level("S9")


@pytest.mark.parametrize(
    ("between", "value"),
    [
        (("sup(T12)", "inf(L2)"), "S-T12:I-L2"),
        (("post(T11)", "post(L1)"), "P-T11:P-L1"),
        (("sup(S1)", "horizontal"), "S-S1:HORIZONTAL"),
        (("ant(L1)",), None),
    ],
)
def test_method_names_the_pair_of_landmarks(between: tuple[str, ...], value: str | None) -> None:
    code = codes.method_code(Measurement("x", "L1", between, 1.0, "deg"))
    assert (None if code is None else code.value) == value


def test_uids_are_valid_and_follow_root_and_seed() -> None:
    for root in ("2.25", "1.2.826.0.1.3680043.9"):
        fixed = UidMaker(root, "seed")
        assert fixed.make("a") == UidMaker(root, "seed").make("a") != fixed.make("b")
        assert fixed.make("a") != UidMaker(root, "other").make("a")
        assert UidMaker(root).make("a") != UidMaker(root).make("a")
        for uid in (fixed.make("a"), UidMaker(root).make("a")):
            assert uid.startswith(root + ".")
            assert len(uid) <= 64
            assert re.fullmatch(r"[0-9.]+", uid)
            assert not re.search(r"\.0[0-9]", uid)


@pytest.mark.parametrize("root", ["", "abc", "1.02.3", "1.2.", "9.1", "1" + ".2" * 20])
def test_roots_that_are_none_are_refused(root: str) -> None:
    with pytest.raises(InputError, match="UID root"):
        UidMaker(root)
