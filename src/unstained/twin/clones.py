"""Clones: what they have in common, what they make, and how long they go on making it.

One hidden number, productivity, stands behind everything; each trait shares only a part of its variance with
it (`LINKS`), so that neither GFP nor what can be seen in transmitted light gives a clone away. Secretory
capacity goes with specific productivity (Dinnis & James 2005, Biotechnol. Bioeng. 91, 180), cells grow larger
as they make more in fed-batch culture (Pan et al. 2017, Appl. Microbiol. Biotechnol. 101, 8101), a
co-expressed reporter follows more closely (Meng et al. 2000, Gene 242, 201), and many clones lose expression
within 90 days (Kim et al. 2011, Biotechnol. Bioeng. 108, 2434). None of them gives all correlations of one
set of clones: how strong they are here is our choice.
"""

from typing import NamedTuple

import numpy as np

from unstained.twin.cells import Traits

LINKS = {"gfp": 0.75, "er": 0.5, "size": 0.35, "golgi_compactness": 0.3, "growth": -0.25}
"""Correlation of a trait's logarithm with productivity; the rest is the clone's own."""

SPREADS = {"gfp": 0.6, "er": 0.25, "size": 0.07, "golgi_compactness": 0.3, "growth": 0.25}
"""Standard deviation of a trait's logarithm between clones."""

FAILING = 0.35
HALF_LIFE_DAYS = (25.0, 75.0)
TITRE_G_PER_L, TITRE_SPREAD, TITRE_NOISE = 1.5, 0.6, 0.12

PHENOTYPES = {
    "spread": {"rounded": 0.06, "elongation": 0.28, "spreading": 1.15},
    "compact": {"rounded": 0.22, "elongation": 0.14, "spreading": 0.8},
}
"""How cells of a clone lie on the plate; a network trained on one meets something new in the other."""


class Clone(NamedTuple):
    """One clone; numbers without a unit are relative to the line's average."""

    name: str
    phenotype: str
    productivity: float  # hidden; standard normal over clones
    gfp: float
    er: float
    size: float
    golgi_compactness: float
    growth: float
    half_life_days: float  # of expression; infinite in stable clones

    def expressing(self, day: float) -> float:
        """Give the share of cells that still express after so many days."""
        return float(0.98 * 0.5 ** (day / self.half_life_days))

    def traits(self, day: float) -> Traits:
        """Say what its cells look like on a day."""
        return Traits(
            size=self.size,
            er=self.er,
            golgi_compactness=self.golgi_compactness,
            gfp=self.gfp,
            gfp_positive=self.expressing(day),
            mitotic=min(0.1, 0.04 * self.growth),
            **PHENOTYPES[self.phenotype],
        )

    def titre(self, day: float, rng: np.random.Generator) -> float:
        """Draw what an assay of the product finds, g/L: productivity, growth and stability, and its noise."""
        made = TITRE_G_PER_L * np.exp(TITRE_SPREAD * self.productivity) * self.growth**0.5
        return float(made * self.expressing(day) / 0.98 * np.exp(rng.normal(0, TITRE_NOISE)))


def make_clones(number: int, rng: np.random.Generator) -> list[Clone]:
    """Draw clones, named C01, C02, …; every other one is of the second phenotype."""
    names = list(PHENOTYPES)
    clones = []
    for index in range(number):
        productivity = rng.standard_normal()
        traits = {
            name: float(np.exp(SPREADS[name] * _linked(productivity, link, rng)))
            for name, link in LINKS.items()
        }
        half_life = rng.uniform(*HALF_LIFE_DAYS) if rng.random() < FAILING else np.inf
        clones.append(
            Clone(f"C{index + 1:02d}", names[index % 2], productivity, half_life_days=half_life, **traits)
        )
    return clones


def _linked(hidden: float, link: float, rng: np.random.Generator) -> float:
    return float(link * hidden + np.sqrt(1 - link**2) * rng.standard_normal())
