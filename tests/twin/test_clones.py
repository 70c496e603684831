"""Clones differ as they are said to: what is linked to productivity, what isn't, and what time does."""

import numpy as np
import pytest

from unstained.twin.clones import LINKS, SPREADS, TITRE_NOISE, make_clones

CLONES = make_clones(4000, np.random.default_rng(0))


@pytest.mark.parametrize("trait", LINKS)
def test_traits_are_linked_to_productivity_as_stated(trait):
    values = np.log([getattr(clone, trait) for clone in CLONES])
    hidden = [clone.productivity for clone in CLONES]
    assert np.corrcoef(values, hidden)[0, 1] == pytest.approx(LINKS[trait], abs=0.04)
    assert values.std() == pytest.approx(SPREADS[trait], rel=0.05)


def explained(of: np.ndarray, *by: np.ndarray) -> float:
    """Give R² of a linear fit."""
    terms = np.column_stack([np.ones(len(of)), *by])
    return float(1 - (of - terms @ np.linalg.lstsq(terms, of, rcond=None)[0]).var() / of.var())


def test_what_is_seen_explains_as_much_as_the_docs_say():
    """R² between clones; of independent signs of one cause it is 1 − 1 / (1 + Σ r² / (1 − r²))."""
    seen = [np.log([getattr(clone, name) for clone in CLONES]) for name in LINKS if name != "gfp"]
    gfp = np.log([clone.gfp for clone in CLONES])
    hidden = np.array([clone.productivity for clone in CLONES])
    rng = np.random.default_rng(1)
    titre = np.log([clone.titre(0, rng) for clone in CLONES])
    odds = sum(link**2 / (1 - link**2) for name, link in LINKS.items() if name != "gfp")
    assert explained(hidden, *seen) == pytest.approx(1 - 1 / (1 + odds), abs=0.03)
    stated = {
        "productivity by GFP": (explained(hidden, gfp), 0.56),
        "productivity by what is seen": (explained(hidden, *seen), 0.39),
        "titre by GFP": (explained(titre, gfp), 0.52),
        "titre by what is seen": (explained(titre, *seen), 0.34),
        "GFP by what is seen": (explained(gfp, *seen), 0.22),
    }
    assert {name: found for name, (found, _) in stated.items()} == {
        name: pytest.approx(said, abs=0.03) for name, (_, said) in stated.items()
    }


def test_failing_clones_lose_expression_and_titre_stable_ones_keep_them():
    failing = [clone for clone in CLONES if np.isfinite(clone.half_life_days)]
    stable = [clone for clone in CLONES if not np.isfinite(clone.half_life_days)]
    assert len(failing) / len(CLONES) == pytest.approx(0.35, abs=0.03)
    one = failing[0]
    assert one.expressing(one.half_life_days) == pytest.approx(one.expressing(0) / 2)
    assert stable[0].expressing(90) == stable[0].expressing(0) == 0.98
    for clone, kept in ((one, one.expressing(60) / 0.98), (stable[0], 1.0)):
        young, old = (
            np.mean([clone.titre(day, np.random.default_rng(seed)) for seed in range(400)]) for day in (0, 60)
        )
        assert old / young == pytest.approx(kept, rel=3 * TITRE_NOISE / 20)


def test_phenotypes_take_turns_and_lie_otherwise():
    assert [clone.phenotype for clone in CLONES[:4]] == ["spread", "compact", "spread", "compact"]
    spread, compact = (clone.traits(0) for clone in CLONES[:2])
    assert spread.spreading > compact.spreading
    assert spread.rounded < compact.rounded
