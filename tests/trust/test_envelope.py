"""An envelope ends at the first strength where images or measurements no longer follow."""

import numpy as np
import pytest

from unstained.imaging.corruptions import KINDS
from unstained.plates.plate import FieldName
from unstained.plates.regions import Region
from unstained.trust.examples import Example
from unstained.trust.features import FieldFeatures
from unstained.trust.finding_envelope import find_envelope

NOTHING = FieldFeatures(np.zeros(1), np.zeros(1))


def examples(pcc, counted, fields=10):
    """Make clean examples and those of every severity of defocus; `counted` gives predicted counts."""
    rng, found = np.random.default_rng(0), []
    for number in range(fields):
        region = Region(FieldName(f"A{number + 1:02}", 0), (0, 9), (0, 9))
        for severity in range(6):
            kind = "defocus" if severity else "clean"
            real = {"count": 10.0 + number, "area_um2": None, "intensity_total": None, "intensity_mean": None}
            seen = {**real, "count": counted(severity, number, rng)}
            strength = KINDS["defocus"].severities[severity] if severity else 0.0
            found.append(
                Example(
                    region, kind, severity, strength, 0.0, NOTHING, (pcc[severity],), (), (seen,), (real,)
                )
            )
    return found


def test_it_ends_where_pcc_falls_by_more_than_a_twentieth():
    envelope = find_envelope(
        ("nuclei",), examples([0.9, 0.9, 0.87, 0.85, 0.9, 0.2], lambda severity, n, rng: 10.0 + n)
    )
    curve = envelope.curves["nuclei"][0]
    assert curve.strengths == (0.0, 0.5, 1, 2, 3, 5)
    assert curve.pcc == pytest.approx((1, 1, 0.87 / 0.9, 0.85 / 0.9, 1, 0.2 / 0.9))
    assert envelope.limits("defocus") == (0.0, 1)
    assert envelope.fields == 10


def test_it_ends_where_counts_no_longer_follow_though_pictures_do():
    def counted(severity, number, rng):
        return 10.0 + number if severity < 2 else float(rng.integers(10, 20))

    envelope = find_envelope(("nuclei",), examples([0.9] * 6, counted))
    curve = envelope.curves["nuclei"][0]
    assert curve.downstream[:2] == pytest.approx((0, 0), abs=1e-9)
    assert curve.downstream[2] > 0.1
    assert envelope.limits("defocus") == (0.0, 0.5)


def test_what_never_followed_can_t_be_lost_and_few_fields_tell_nothing_of_measurements():
    noise = examples([0.9] * 6, lambda severity, n, rng: float(rng.integers(0, 99)))
    assert find_envelope(("nuclei",), noise).curves["nuclei"][0].downstream == ()
    few = examples([0.9] * 6, lambda severity, n, rng: 0.0 if severity else 10.0 + n, fields=4)
    envelope = find_envelope(("nuclei",), few)
    assert envelope.curves["nuclei"][0].downstream == ()
    assert envelope.limits("defocus") == (0.0, 5)


def test_nothing_predicted_is_outside():
    envelope = find_envelope(
        ("nuclei",), examples([0.9, 0.9, None, 0.9, 0.9, 0.9], lambda s, n, rng: 10.0 + n)
    )
    assert envelope.limits("defocus") == (0.0, 0.5)
