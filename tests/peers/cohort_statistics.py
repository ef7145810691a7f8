"""Records what SciPy and statsmodels say about small samples, for the tests of `summarise-cohort` and `compare-methods`.

    peers/bin/python tests/peers/cohort_statistics.py > tests/peers/statistics.tsv     # requirements-evaluate.txt

One row a sample and quantity. The quantity `values` is the sample itself, separated by spaces; for a paired test it is
the differences.
"""

import warnings
from importlib.metadata import version

import numpy as np
from scipy import stats
from statsmodels.stats.multitest import multipletests

warnings.filterwarnings("ignore")

MANUAL = [12.4, 33.1, 5.6, 58.9, 21.7, 8.3, 44.0, 17.2, 71.5, 2.9, 26.6, 39.4]
AUTO = [11.9, 34.0, 5.6, 55.2, 22.5, 8.0, 42.1, 17.9, 69.3, 3.3, 25.1, 40.2]
ABC2 = [14.8, 40.2, 5.1, 77.7, 25.0, 8.9, 55.3, 16.8, 98.4, 2.5, 31.9, 52.0]


def difference(a, b):
    return [float(round(x - y, 6)) for x, y in zip(a, b)]


def samples():
    """name, values, whether they are differences for the paired tests."""
    draw = np.random.default_rng(2019)
    yield "manual", MANUAL, False
    yield "auto - manual", difference(AUTO, MANUAL), True
    yield "abc2 - manual", difference(ABC2, MANUAL), True
    yield "three", [1.0, 2.0, 4.0], True
    yield "four", [1.0, 2.0, 4.0, -8.0], True
    yield "five", [0.3, -1.2, 2.2, 0.9, 3.1], True
    yield "six", [0.3, -1.2, 2.2, 0.9, 3.1, 0.31], True
    yield "eleven", [float(n) for n in range(1, 12)], False
    yield "twelve", [float(n) for n in range(1, 13)], False
    yield "one sign", [0.5, 1.5, 0.25, 3.0, 2.0, 0.75, 1.25, 1.0], True
    yield "tied 13", [1, 1, 2, -2, 3, -1, 2, 4, 0, 5, -3, 1, 2], True
    yield "normal 25", draw.normal(0.4, 1, 25).round(4).tolist(), True
    yield "lognormal 50", draw.lognormal(0, 1, 50).round(6).tolist(), False
    yield "skewed 50", (draw.lognormal(0, 1, 50) - 1.2).round(6).tolist(), True
    yield "normal 80", draw.normal(0.2, 1, 80).round(4).tolist(), True
    yield "tied 70", draw.integers(-3, 5, 70).astype(float).tolist(), True
    yield "dice 51", (1 - draw.lognormal(-2.5, 0.6, 51)).round(4).tolist(), False
    yield "uniform 300", draw.uniform(0, 1, 300).round(5).tolist(), False


def of_one(x):
    w, p = stats.shapiro(x)
    yield "shapiro_w", w
    yield "shapiro_p", p
    yield "mean", np.mean(x)
    yield "sd", np.std(x, ddof=1)
    for name, q in (("q1", 25), ("median", 50), ("q3", 75)):
        yield name, np.percentile(x, q)


def of_differences(d):
    test = stats.ttest_1samp(d, 0)
    interval = test.confidence_interval(0.95)
    yield "t", test.statistic
    yield "t_p", test.pvalue
    yield "t_low", interval.low
    yield "t_high", interval.high
    d = np.asarray(d)
    nonzero = d[d != 0]
    tied = len(np.unique(np.abs(nonzero))) < len(nonzero)
    if len(nonzero) > 50:
        method = "approx"
    elif tied:  # SciPy's exact distribution knows no ties: all assignments of signs instead
        method = stats.PermutationMethod(n_resamples=np.inf)
    else:
        method = "exact"
    found = stats.wilcoxon(nonzero, method=method, correction=False)
    yield "wilcoxon_w", found.statistic
    yield "wilcoxon_p", found.pvalue
    ranks = stats.rankdata(np.abs(nonzero))
    yield "rank_biserial", (ranks[nonzero > 0].sum() - ranks[nonzero < 0].sum()) / ranks.sum()
    yield "cohens_dz", np.mean(d) / np.std(d, ddof=1)
    n, sd = len(d), np.std(d, ddof=1)
    yield "limit_low", np.mean(d) - 1.96 * sd
    yield "limit_high", np.mean(d) + 1.96 * sd
    yield "limit_error", sd * np.sqrt(1 / n + 1.96**2 / (2 * (n - 1)))
    for name, statistic in (("mean", np.mean), ("median", np.median)):
        if n < 12:
            continue
        found = stats.bootstrap((d,), statistic, n_resamples=200_000, method="BCa", random_state=1, batch=10_000)
        yield f"bca_{name}_low", found.confidence_interval.low
        yield f"bca_{name}_high", found.confidence_interval.high


def text(values):
    return " ".join(repr(float(v)) for v in values)


def main():
    versions = ", ".join(f"{name} {version(name)}" for name in ("scipy", "numpy", "statsmodels"))
    print(f"# {versions}")
    print("sample", "quantity", "value", sep="\t")
    for name, x, differences in samples():
        print(name, "values", text(x), sep="\t")
        rows = list(of_one(x)) + (list(of_differences(x)) if differences else [])
        for quantity, value in rows:
            print(name, quantity, repr(float(value)), sep="\t")
    p = [0.01, 0.04, 0.03, 0.005, 0.2, 0.03, 1.0, 0.0004]
    print("holm", "values", text(p), sep="\t")
    for n, value in enumerate(multipletests(p, method="holm")[1]):
        print("holm", n, repr(float(value)), sep="\t")


main()
