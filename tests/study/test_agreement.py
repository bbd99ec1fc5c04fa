"""Agreement against published tables and reference packages."""

import json
import math
import warnings
from dataclasses import replace

import numpy as np
import pytest

from endplate.errors import GeometryError, InputError
from endplate.infer.commands.agree import agree_files
from endplate.reports.schemas_of import schema
from endplate.study.bland_altman import bland_altman
from endplate.study.distributions import (
    f_quantile,
    f_upper_tail,
    incomplete_beta,
    t_quantile,
    t_two_sided,
)
from endplate.study.icc import reliability
from endplate.study.reading_sets import split_repeats

#: Shrout and Fleiss 1979, table 2: six targets, four judges.
JUDGES = np.array(
    [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]], float
)
#: Bland and Altman 1986: peak flow by Wright and mini Wright meter, first measurements, l/min.
WRIGHT = [494, 395, 516, 434, 476, 557, 413, 442, 650, 433, 417, 656, 267, 478, 178, 423, 427]
MINI = [512, 430, 520, 428, 500, 600, 364, 380, 658, 445, 432, 626, 260, 477, 259, 350, 451]


def _ratings(seed, n, k, spread=4.0):
    rng = np.random.default_rng(seed)
    return rng.normal(12, spread, (n, 1)) + rng.normal(0, 1, k) + rng.normal(0, 1.5, (n, k))


@pytest.mark.parametrize("p", [0.6, 0.9, 0.975, 0.999])
@pytest.mark.parametrize(("a", "b"), [(1, 1), (3, 4.78), (5, 15), (64, 128), (200, 2.2)])
def test_distributions_are_those_of_scipy(p, a, b):
    stats = pytest.importorskip("scipy.stats")
    special = pytest.importorskip("scipy.special")
    assert f_quantile(p, a, b) == pytest.approx(stats.f.ppf(p, a, b), rel=1e-9)
    assert t_quantile(p, b) == pytest.approx(stats.t.ppf(p, b), rel=1e-9)
    assert t_quantile(1 - p, b) == pytest.approx(stats.t.ppf(1 - p, b), rel=1e-9)
    assert f_upper_tail(a / 2, a, b) == pytest.approx(stats.f.sf(a / 2, a, b), rel=1e-9)
    assert t_two_sided(2.1, b) == pytest.approx(2 * stats.t.sf(2.1, b), rel=1e-9)
    assert incomplete_beta(a, b, p) == pytest.approx(special.betainc(a, b, p), rel=1e-9)


def test_published_correlations():
    found = reliability(JUDGES)
    # The paper gives .29 and .71; the mean squares of its table 3 give more digits.
    assert found.absolute.value == pytest.approx(0.28976378, abs=1e-8)
    assert found.consistency.value == pytest.approx(0.71484071, abs=1e-8)
    assert found.absolute.interval == pytest.approx((0.0188, 0.7611), abs=5e-5)
    assert found.consistency.interval == pytest.approx((0.3425, 0.9459), abs=5e-5)
    assert found.sem_consistency == pytest.approx(math.sqrt(1.01944444))
    assert found.mdc95_agreement == pytest.approx(1.959964 * math.sqrt(2) * found.sem_agreement)


@pytest.mark.parametrize(("seed", "n", "k"), [(0, 6, 4), (1, 30, 2), (2, 88, 3), (3, 12, 2)])
def test_correlations_are_those_of_pingouin(seed, n, k):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pingouin = pytest.importorskip("pingouin")
        pandas = pytest.importorskip("pandas")
        table = JUDGES if seed == 0 else _ratings(seed, n, k)
        long = pandas.DataFrame(
            [(i, j, table[i, j]) for i in range(n) for j in range(k)], columns=["t", "r", "y"]
        )
        kept = pingouin.options["round.column.CI95"]
        pingouin.options["round.column.CI95"] = None
        try:
            theirs = pingouin.intraclass_corr(long, "t", "r", "y").set_index("Type")
        finally:
            pingouin.options["round.column.CI95"] = kept
    ours = reliability(table)
    for icc in (ours.absolute, ours.consistency):
        row = theirs.loc[icc.kind]
        assert icc.value == pytest.approx(row["ICC"], abs=1e-6)
        assert icc.interval == pytest.approx(tuple(row["CI95"]), abs=1e-6)


def test_published_limits_of_agreement():
    found = bland_altman(np.array(WRIGHT, float), np.array(MINI, float))
    # -2.1 and 38.8 l/min; 95 % interval of the bias -22.0 to 17.8. The paper's limits are of
    # 2, not 1.96, standard deviations.
    assert found.bias == pytest.approx(-36 / 17, abs=1e-9)
    assert found.sd == pytest.approx(38.7651299, abs=1e-6)
    assert found.bias_interval == pytest.approx((-22.0, 17.8), abs=0.05)
    assert found.lower == pytest.approx(found.bias - 1.95996398 * found.sd, abs=1e-6)
    # Half width of a limit's interval: 2.12 x 16.3 = 34.5 l/min in the paper.
    assert found.lower - found.lower_interval[0] == pytest.approx(34.5, abs=0.1)


def test_limits_and_slope_are_those_of_scipy():
    stats = pytest.importorskip("scipy.stats")
    a, b = _ratings(5, 40, 2).T
    a = a + 0.2 * a
    found = bland_altman(a, b)
    line = stats.linregress((a + b) / 2, a - b)
    assert found.slope == pytest.approx(line.slope, abs=1e-9)
    assert found.slope_p == pytest.approx(line.pvalue, abs=1e-9)
    bias = stats.t.interval(0.95, 39, loc=(a - b).mean(), scale=stats.sem(a - b))
    assert found.bias_interval == pytest.approx(bias, abs=1e-9)


def test_clusters_widen_the_limits_and_keep_the_spread():
    rng = np.random.default_rng(7)
    subjects = np.repeat(np.arange(60), 5)
    common, own = rng.normal(0, 2.0, 60)[subjects], rng.normal(0, 1.0, 300)
    first = rng.normal(10, 4, 300)
    found = bland_altman(first + common + own, first, subjects)
    assert found.clusters == 60
    assert found.sd == pytest.approx(math.sqrt(5.0), rel=0.15)
    naive = bland_altman(first + common + own, first)
    assert np.ptp(found.bias_interval) > 1.5 * np.ptp(naive.bias_interval)
    clustered = reliability(np.column_stack([first + common, first]), subjects)
    assert clustered.absolute.method == "jackknife over clusters"
    assert clustered.absolute.interval[0] < clustered.absolute.value
    assert clustered.absolute.interval[1] > clustered.absolute.value


def test_jackknife_covers_the_truth():
    rng = np.random.default_rng(11)
    subjects, hits = np.repeat(np.arange(25), 3), 0
    for _ in range(100):
        difference = rng.normal(1.0, 1.5, 25)[subjects] + rng.normal(0, 1.0, 75)
        first = rng.normal(0, 3, 75)
        low, high = bland_altman(first + difference, first, subjects).upper_interval
        hits += low < 1.0 + 1.96 * math.sqrt(3.25) < high
    assert hits >= 86


def test_missing_values_and_nonsense():
    table = JUDGES.copy()
    table[0, 0] = math.nan
    assert reliability(table).n == 5
    with pytest.raises(GeometryError, match="at least 2"):
        reliability(table[:2])
    with pytest.raises(GeometryError, match="at least 3"):
        bland_altman(np.array([1.0, math.nan, 2.0]), np.array([1.0, 2.0, 2.0]))
    same = np.column_stack([np.arange(5.0), np.arange(5.0)])
    assert reliability(same).absolute.value == pytest.approx(1.0)
    assert math.isnan(reliability(np.ones((4, 2))).absolute.value)


def test_command_on_a_wide_table(tmp_path, capsys):
    path = tmp_path / "flow.csv"
    rows = "\n".join(f"p{i};{a};{b}" for i, (a, b) in enumerate(zip(WRIGHT, MINI, strict=True)))
    path.write_text(f"image;Wright;mini\n{rows}\n", encoding="utf-8")
    assert agree_files([str(path)], tmp_path / "out") == 0
    found = json.loads((tmp_path / "out" / "agreement.json").read_text("utf-8"))
    _follows_its_schema(found)
    pair = found["measures"][0]["pairs"][0]
    assert (pair["first"], pair["second"]) == ("Wright", "mini")
    assert pair["bias"] == pytest.approx(-2.117647, abs=1e-6)
    assert "svg" in (tmp_path / "out" / "agreement.html").read_text("utf-8")
    assert "ICC(A,1)" in capsys.readouterr().out


def _follows_its_schema(values):
    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.Draft202012Validator(schema("agreement-1")).validate(values)


def test_command_on_two_readers_of_films(data_dir, tmp_path):
    folder = data_dir / "lumbar-laterals"
    first, second = folder / "annotations.json", folder / "annotations-second-reader.json"
    agree_files([f"one={first}", f"two={second}"], tmp_path, levels=["L1", "L2", "L3"])
    found = json.loads((tmp_path / "agreement.json").read_text("utf-8"))
    _follows_its_schema(found)
    assert found["readers"] == ["one", "two"]
    kyphosis = found["measures"][0]
    assert kyphosis["name"] == "vertebral_kyphosis_deg"
    assert kyphosis["pairs"][0]["n"] > kyphosis["pairs"][0]["subjects"] > 3
    everything = found["points"][0]
    assert everything["point"] == "all"
    assert 0.5 < everything["median_percent"] < 10


def test_command_says_what_is_wrong(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        agree_files([str(tmp_path / "nothing")], tmp_path)
    path = tmp_path / "one.csv"
    path.write_text("image,value\na,1\n", encoding="utf-8")
    with pytest.raises(InputError, match="'measure' is missing"):
        agree_files([str(path)], tmp_path)
    path.write_text("image,measure,value\na,x,1\nb,x,2\nc,x,one\n", encoding="utf-8")
    with pytest.raises(InputError, match="line 4: value is 'one'"):
        agree_files([str(path)], tmp_path)
    path.write_text("image,measure,value\na,x,1\na,x,2\n", encoding="utf-8")
    with pytest.raises(InputError, match="twice"):
        agree_files([str(path)], tmp_path)


def test_films_of_one_name_are_no_repeats(visits):
    def at(reading, k):
        source = replace(reading.source, path=f"PAT{k}/IM0001.dcm", sha256=f"{k}" * 64)
        return replace(reading, id=f"r{k}", source=source)

    with pytest.raises(InputError, match="two films of one name"):
        split_repeats("network", [at(visits[0], 1), at(visits[1], 2)])
    again = [at(visits[0], 1), replace(at(visits[0], 1), id="again")]
    assert set(split_repeats("network", again)) == {"network", "network #2"}
