"""How much of titre and GFP do the twin's visible traits explain? R² between simulated clones.

Usage: python benchmarks/twin_links.py
Writes results/twin-links.json: R² of titre by what transmitted light can show, the other pairs beside it.
"""

import numpy as np

from record import write_result
from unstained.twin.clones import LINKS, make_clones

CLONES = 4000


def explained(of: np.ndarray, *by: np.ndarray) -> float:
    """Give R² of a linear fit of one trait by others, one value a clone each."""
    terms = np.column_stack([np.ones(len(of)), *by])
    return float(1 - (of - terms @ np.linalg.lstsq(terms, of, rcond=None)[0]).var() / of.var())


def main() -> None:
    """Draw clones, and fit."""
    rng = np.random.default_rng(0)
    clones = make_clones(CLONES, rng)
    traits = {name: np.log([getattr(clone, name) for clone in clones]) for name in LINKS}
    gfp = traits.pop("gfp")
    seen = list(traits.values())
    hidden = np.array([clone.productivity for clone in clones])
    titre = np.log([clone.titre(0, rng) for clone in clones])
    write_result(
        "twin-links",
        title="R² between clones of the twin: titre by ER, size, Golgi and growth (simulated)",
        value=explained(titre, *seen),
        goal=None,
        comparison=None,
        against={
            "titre by GFP": explained(titre, gfp),
            "GFP by what is seen": explained(gfp, *seen),
            "productivity by GFP": explained(hidden, gfp),
            "productivity by what is seen": explained(hidden, *seen),
        },
        data=f"twin: {CLONES} clones, day 0, logarithms",
        command="python benchmarks/twin_links.py",
        seed=0,
        issue=3,
    )


if __name__ == "__main__":
    main()
