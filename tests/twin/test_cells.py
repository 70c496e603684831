"""Cells are as large as they are said to be, hold what they are said to hold, and lie apart."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial import cKDTree

from unstained.twin.anatomy import Textures, Window, band_noise, draw_cells, make_textures
from unstained.twin.cells import ADHERENT, DEAD, DEBRIS, MITOTIC, ROUNDED, Traits, grow_cells

PIXEL = 0.325
TEXTURES = make_textures(256, PIXEL, np.random.default_rng(0))
SMOOTH = Textures(*(np.zeros((64, 64), np.float32),) * 2)
WINDOW = Window(0, 0, 200, 200, PIXEL)


def one_cell(kind=ADHERENT, **changes):
    """Make one cell in the middle of `WINDOW`."""
    grown = grow_cells(60, Traits(rounded=0.3, mitotic=0.3, dead=0.1), 400, np.random.default_rng(1))
    cell = grown.chosen(np.flatnonzero(grown.kind == kind)[:1])
    middle = np.full(1, 100 * PIXEL)
    changed = {name: np.array([value]) for name, value in changes.items()}
    return replace(cell, y_um=middle, x_um=middle, **changed)


def test_a_round_cell_holds_the_volume_of_an_ellipsoid():
    cell = one_cell(ROUNDED, radius_um=7.0, height_um=12.0, outline=np.zeros(4, complex))
    volume = draw_cells(cell, WINDOW, SMOOTH).height_um.sum() * PIXEL**2
    assert volume == pytest.approx(2 / 3 * np.pi * 7.0**2 * 12.0, rel=0.01)


def test_flat_and_round_cells_hold_the_same_volume():
    cells = grow_cells(4000, Traits(rounded=0.5, mitotic=0), 4000, np.random.default_rng(0))
    flat, ball = (cells.chosen(cells.kind == kind) for kind in (ADHERENT, ROUNDED))
    in_flat = np.pi * flat.radius_um**2 * flat.height_um / 2
    in_ball = 2 / 3 * np.pi * ball.radius_um**2 * ball.height_um
    assert in_flat.mean() == pytest.approx(in_ball.mean(), rel=0.08)


@pytest.mark.parametrize("kind", [ADHERENT, MITOTIC])
def test_the_dna_seen_is_the_dna_of_the_cell_whatever_its_nucleus(kind):
    totals = [
        draw_cells(one_cell(kind, dna=dna, nucleus_um=radius), WINDOW, SMOOTH).dna.sum()
        for dna, radius in ((1.0, 4.0), (2.0, 4.0), (1.0, 5.0))
    ]
    assert totals[1] == pytest.approx(2 * totals[0], rel=1e-3)
    assert totals[2] == pytest.approx(totals[0], rel=0.06)  # nucleoli are drawn to another size


def test_every_stain_follows_its_own_level_alone():
    base = draw_cells(one_cell(), WINDOW, TEXTURES)
    for name, plane in (("gfp", "gfp"), ("golgi", "golgi")):
        more = draw_cells(one_cell(**{name: 2 * getattr(one_cell(), name)[0]}), WINDOW, TEXTURES)
        assert getattr(more, plane).sum() == pytest.approx(2 * getattr(base, plane).sum(), rel=1e-4)
        np.testing.assert_array_equal(more.path_um, base.path_um)  # light doesn't see it
        np.testing.assert_array_equal(more.dna, base.dna)
    rough = draw_cells(one_cell(er=2 * one_cell().er[0]), WINDOW, TEXTURES)
    assert rough.er.sum() == pytest.approx(2 * base.er.sum(), rel=1e-4)
    assert rough.path_um.std() > base.path_um.std()  # but more ER is more texture


def test_dead_cells_and_debris_are_seen_in_light_and_not_counted():
    for kind in (DEAD, DEBRIS):
        drawn = draw_cells(one_cell(kind), WINDOW, TEXTURES)
        assert drawn.path_um.max() > 0.02
        for plane in (drawn.cells, drawn.nuclei, drawn.er, drawn.golgi, drawn.gfp):
            assert not plane.any()


def test_a_dead_cell_hides_nothing_half():
    """Every pixel belongs to one object: labels and stains of a cell end where another begins."""
    cells = grow_cells(120, Traits(), 65, np.random.default_rng(3))
    drawn = draw_cells(cells, WINDOW, TEXTURES)
    inside = drawn.nuclei > 0
    np.testing.assert_array_equal(drawn.nuclei[inside], drawn.cells[inside])
    for plane in (drawn.er, drawn.golgi, drawn.gfp):
        assert not plane[drawn.cells == 0].any()


def test_two_windows_show_the_same_cells_where_they_overlap():
    cells = grow_cells(100, Traits(), 100, np.random.default_rng(2))
    one, other = (draw_cells(cells, Window(top, 40, 160, 160, PIXEL), TEXTURES) for top in (20, 70))
    for here, there in zip(one, other, strict=True):
        np.testing.assert_allclose(here[50:], there[:110], atol=1e-5)


def test_cells_are_pushed_apart_but_touch():
    cells = grow_cells(500, Traits(), 500, np.random.default_rng(0))
    whole = cells.chosen(cells.kind < DEAD)
    places = np.column_stack([whole.y_um, whole.x_um])
    assert (places >= 0).all()
    assert (places < 500).all()
    distance, neighbour = cKDTree(places, boxsize=500).query(places, 2)
    room = whole.radius_um + whole.radius_um[neighbour[:, 1]]
    nearness = distance[:, 1] / room
    assert np.quantile(nearness, 0.02) > 0.6
    assert (nearness < 1).mean() > 0.3


def test_colonies_leave_more_empty_ground():
    def crowding(colonies: float) -> float:
        cells = grow_cells(800, Traits(), 2000, np.random.default_rng(0), colonies=colonies)
        counts = np.histogram2d(cells.y_um, cells.x_um, bins=20)[0]
        return float(counts.var() / counts.mean())

    assert crowding(1.0) > 1.5 * crowding(0.0)


def test_noise_has_grains_of_the_size_asked_for():
    for size in (3.0, 8.0):
        noise = band_noise(256, size, np.random.default_rng(0))
        power = np.abs(np.fft.fft2(noise)) ** 2
        frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(256), np.fft.fftfreq(256)))
        frequency[0, 0] = 1
        octaves = (power * np.log2(frequency * 2 * size)).sum() / power.sum()
        # a band of exp(−2 octaves²) over rings that hold more frequencies the larger they are
        assert octaves == pytest.approx(np.log(2) / 2, abs=0.06)
