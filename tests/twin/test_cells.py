"""Cells are as large as they are said to be, hold what they are said to hold, and lie apart."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial import cKDTree

from unstained.twin.anatomy import (
    CYTOPLASM,
    GOLGI_AREA_UM2,
    NUCLEUS,
    REACH,
    Textures,
    Window,
    band_noise,
    draw_cells,
    make_textures,
)
from unstained.twin.cells import (
    ADHERENT,
    DEAD,
    DEBRIS,
    MITOTIC,
    MOST_WAVES,
    ROUNDED,
    Traits,
    cell_ages,
    grow_cells,
)

PIXEL = 0.325
TEXTURES = make_textures(PIXEL, np.random.default_rng(0))
SMOOTH = Textures(*(np.zeros((400, 400), np.float32),) * 2)
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


def test_cells_are_as_large_as_cho_cells():
    """Balls of 12–15 µm, flat cells of 15–25 µm, nuclei of 8–12 µm across (for all but the odd tenth)."""
    cells = grow_cells(4000, Traits(rounded=0.5, mitotic=0, dead=0), 4000, np.random.default_rng(0))
    for kind, least, most in ((ROUNDED, 11.5, 15.0), (ADHERENT, 15.0, 26.0)):
        across = 2 * cells.radius_um[cells.kind == kind]
        assert least < np.quantile(across, 0.05) < np.quantile(across, 0.95) < most
    nuclei = 2 * cells.nucleus_radius_um[cells.kind == ADHERENT]
    assert 7.5 < np.quantile(nuclei, 0.05) < np.quantile(nuclei, 0.95) < 12.5


def test_ages_and_dna_are_those_of_a_growing_culture():
    """Twice as many cells begin the cycle as end it: half of them are younger than log2(4/3) = .415."""
    ages = cell_ages(20000, np.random.default_rng(0))
    assert np.median(ages) == pytest.approx(np.log2(4 / 3), abs=0.01)
    young, old = (ages < 0.05).mean(), (ages > 0.95).mean()
    assert young / old == pytest.approx(2, abs=0.3)
    cells = grow_cells(8000, Traits(rounded=0, mitotic=0.05, dead=0), 6000, np.random.default_rng(0))
    dna = cells.dna[cells.kind == ADHERENT]
    assert (dna == 1).mean() == pytest.approx(2 - 2 * 2**-0.4, abs=0.02)
    assert (dna == 2).mean() == pytest.approx(2 * (2**-0.75 - 0.5), abs=0.02)
    assert (cells.dna[cells.kind == MITOTIC] == 2).all()


def test_light_is_delayed_by_what_it_passes():
    """Without texture: .030 of the height beside the nucleus, less in it, more in vesicles and nucleoli."""
    drawn = draw_cells(one_cell(nucleus_radius_um=4.0), WINDOW, SMOOTH)
    beside = (drawn.cells > 0) & (drawn.nuclei == 0) & (drawn.golgi < 1e-3)
    index = drawn.path_um[beside] / drawn.height_um[beside]
    assert np.median(index) == pytest.approx(CYTOPLASM, rel=1e-4)
    assert index.min() == pytest.approx(CYTOPLASM, rel=1e-3)  # a vesicle only adds
    ratio = np.where(drawn.nuclei > 0, drawn.path_um / np.maximum(drawn.height_um, 1e-3), np.nan)
    assert NUCLEUS < np.nanmin(ratio) < 0.027
    assert 0.028 < np.nanmax(ratio) < 0.05  # nucleoli


def test_no_outline_reaches_further_than_it_is_drawn():
    oblong, *waves = MOST_WAVES
    assert ((1 + oblong) / (1 - oblong)) ** 0.5 + sum(waves) < REACH


@pytest.mark.parametrize("kind", [ADHERENT, MITOTIC])
def test_the_dna_seen_is_the_dna_of_the_cell_whatever_its_nucleus(kind):
    totals = [
        draw_cells(one_cell(kind, dna=dna, nucleus_radius_um=radius), WINDOW, SMOOTH).dna.sum()
        for dna, radius in ((1.0, 4.0), (2.0, 4.0), (1.0, 5.0))
    ]
    assert totals[1] == pytest.approx(2 * totals[0], rel=1e-3)
    assert totals[2] == pytest.approx(totals[0], rel=0.02)


def test_the_golgi_seen_is_the_golgi_of_the_cell_wherever_its_stacks_lie():
    cells = grow_cells(60, Traits(rounded=0, mitotic=0, dead=0), 400, np.random.default_rng(4))
    amounts = []
    for number in range(30):
        cell = cells.chosen(np.array([number]))
        drawn = draw_cells(replace(cell, y_um=np.full(1, 32.5), x_um=np.full(1, 32.5)), WINDOW, SMOOTH)
        amounts.append(drawn.golgi.sum() * PIXEL**2 / cell.golgi[0] / GOLGI_AREA_UM2)
    assert np.median(amounts) == pytest.approx(1, abs=0.05)
    assert np.std(amounts) < 0.12


def test_a_cell_takes_its_insides_along():
    cell = one_cell()
    moved = replace(cell, y_um=cell.y_um + 7 * PIXEL, x_um=cell.x_um - 4 * PIXEL)
    for before, after in zip(*(draw_cells(each, WINDOW, TEXTURES) for each in (cell, moved)), strict=True):
        np.testing.assert_allclose(after, np.roll(before, (7, -4), (0, 1)), atol=1e-4)


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


def test_every_pixel_belongs_to_one_object():
    """Labels and stains of a cell end where another, or a dead cell on top of it, begins."""
    cells = grow_cells(120, Traits(dead=0.2), 65, np.random.default_rng(3))
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
