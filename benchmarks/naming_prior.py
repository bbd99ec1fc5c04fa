"""Fit the weights of the naming on simulated films: the defaults of `NamingConfig`.

    python benchmarks/naming_prior.py [--weights FOLDER] [--films N] [--seed N] [--workers N]

Annotated films are few: the weights that they are given start from these (`train/calibrate_naming`
holds them near). Prints how far names may be trusted with the present weights, and one line for
each default as fitted on these films, to be copied to `models/naming.py`.
"""

import argparse
from dataclasses import fields
from functools import partial

from endplate.datasets.simulator.api import simulate_film
from endplate.geometry.calibration import UNCALIBRATED
from endplate.models.naming import NamingConfig
from endplate.models.naming_evidence import FEATURES
from endplate.train.calibrate_naming import NamingCase, fit_modesty, fit_naming, naming_score
from endplate.train.report.simulated import SETTINGS, each, reader_of, truth_of

_FOLDS = 5


def read_one(seed: int, networks: str) -> NamingCase:
    """Candidates on one simulated film."""
    film = simulate_film(seed, SETTINGS)
    found = reader_of(networks).find(film.image, UNCALIBRATED).found
    return NamingCase(found.candidates, found.downward, truth_of(film), seed % _FOLDS, found.shape)


def main() -> None:
    """Print the weights, and how films are named with them and with the present ones."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--weights", default="", help="folder of networks; those of the package")
    parser.add_argument("--films", type=int, default=240)
    parser.add_argument("--seed", type=int, default=900_000)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    seeds = range(options.seed, options.seed + options.films)
    one = partial(read_one, networks=options.weights)
    cases = list(each(one, seeds, options.workers, "simulated films"))
    start = NamingConfig()
    fit = fit_naming(cases, start)
    for name, config in (("present defaults", start), ("fitted on these films", fit.config)):
        scores = [naming_score(case, config) for case in cases]
        known = [s for s in scores if s.right is not None]
        right, surprise = sum(bool(s.right) for s in known), sum(s.surprise for s in known)
        print(f"{name}: {right} of {len(known)} right, {surprise / len(known):.3f} nats a film")
    print("trust {:.3g} and blind {:.3g} of the present weights".format(*fit_modesty(cases, start)))
    for field in fields(NamingConfig):
        if field.name in (*FEATURES, "trust", "blind"):
            print(f"    {field.name}: float = {getattr(fit.config, field.name):.3g}")


if __name__ == "__main__":
    main()
