"""From rows of cells to planes: heights, path differences of light, and how much of each stain lies where.

Refractive indices in green light: medium 1.335, cytoplasm about 1.365, nuclei *below* the cytoplasm around
them (Schürmann et al. 2016, J. Biophotonics 9, 1068), nucleoli above the nucleus, vesicles 1.42. Light's path
differs by the index above the medium's times height.
"""

from typing import NamedTuple

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from unstained.arrays import Labels, Plane
from unstained.twin.cells import ADHERENT, DEAD, DEBRIS, MITOTIC, ROUNDED, Cells

# refractive index above the medium's
CYTOPLASM, NUCLEUS, NUCLEOLUS, CHROMOSOMES, DEAD_CELL, GRAIN = 0.030, 0.024, 0.044, 0.040, 0.045, 0.05
VESICLE = 0.055  # above the cytoplasm's
GOLGI_PATH_UM = 0.004  # a stack's path difference beyond that of the cytoplasm it replaces
ER_TEXTURE, CHROMATIN_TEXTURE = 0.10, 0.08  # share by which the index differs from place to place
ER_FALL_UM = 3.5  # from the nucleus outwards the ER thins out so
METAPHASE_SIZE, METAPHASE_AXES = 0.55, 1.8  # chromosomes lie in a plate, seen from its edge
NUCLEUS_HEIGHT = 0.75  # of the cell's, at most
STACKS, STACK_UM = 14, 0.45  # of a Golgi; their radius
GOLGI_AREA_UM2 = 20.0  # integral of the Golgi plane over a cell of level 1
REACH = 1.85  # radii within which a cell is drawn: no outline reaches further
TEXTURE_UM = 170.0  # side of a texture; a cell takes a part of it


class Window(NamedTuple):
    """A part of a well's canvas, px; `pixel_um` long each."""

    top: int
    left: int
    rows: int
    columns: int
    pixel_um: float


class Textures(NamedTuple):
    """Noise (Y X) of mean 0 and spread 1; every cell takes its own part of it, and takes it along."""

    network: Plane  # ridges, as of tubules and sheets
    grains: Plane


class Anatomy(NamedTuple):
    """What is in a window, (Y X) each."""

    path_um: Plane  # optical path difference against the medium
    cells: Labels  # row in `Cells` + 1, so numbers have gaps
    nuclei: Labels  # the same number as the cell's
    height_um: Plane
    dna: Plane  # stains: amount per area, about 1 where a typical cell is brightest
    er: Plane
    golgi: Plane
    gfp: Plane

    def cut(self, part: slice) -> "Anatomy":
        """Give a part of it, the same along y and x."""
        return Anatomy(**{name: plane[part, part] for name, plane in self._asdict().items()})


def make_textures(pixel_um: float, rng: np.random.Generator) -> Textures:
    """Make textures; ridges are about 0.9 µm apart, as a light microscope shows the ER."""
    side = int(np.ceil(TEXTURE_UM / pixel_um))
    waves = band_noise(side, 0.9 / pixel_um, rng)
    return Textures(_standard(-np.abs(waves)), band_noise(side, 0.8 / pixel_um, rng))


def band_noise(side: int, size_px: float, rng: np.random.Generator) -> Plane:
    """Make noise (side side) of grains of one size, px: white noise in an octave-wide band of frequencies."""
    spectrum = scipy.fft.rfft2(rng.standard_normal((side, side), dtype=np.float32))
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None])
    band = np.exp(-(np.log2(np.maximum(frequency, 1e-9) * 2 * size_px) ** 2)).astype(np.float32)
    noise: Plane = scipy.fft.irfft2(spectrum * band, s=(side, side))
    return _standard(noise)


def draw_cells(cells: Cells, window: Window, textures: Textures) -> Anatomy:
    """Draw the cells that reach into a window; where two overlap, light passes the higher one alone."""
    canvas = _Canvas(cells, window, textures)
    reach = REACH * cells.radius_um / window.pixel_um
    y, x = cells.y_um / window.pixel_um - window.top, cells.x_um / window.pixel_um - window.left
    near = (y > -reach) & (y < window.rows + reach) & (x > -reach) & (x < window.columns + reach)
    for number in np.flatnonzero(near):
        canvas.draw(int(number), float(y[number]), float(x[number]), float(reach[number]))
    return canvas.finished()


class _Patch(NamedTuple):
    """The part of a window round a cell."""

    place: tuple[slice, slice]
    y_um: Plane  # (Y 1), from the cell's middle
    x_um: Plane  # (1 X)
    relative: Plane  # (Y X): distance from the middle over that of the outline
    network: Plane
    grains: Plane
    number: int  # of the cell


class _Canvas:
    """Planes that are drawn on, cell by cell."""

    def __init__(self, cells: Cells, window: Window, textures: Textures) -> None:
        self.drawn, self.window, self.textures = cells, window, textures
        shape = (window.rows, window.columns)
        self.height, self.path, self.dna, self.er, self.golgi, self.gfp = np.zeros((6, *shape), np.float32)
        self.cells, self.nuclei = np.zeros((2, *shape), np.int32)

    def finished(self) -> Anatomy:
        return Anatomy(
            self.path, self.cells, self.nuclei, self.height, self.dna, self.er, self.golgi, self.gfp
        )

    def draw(self, number: int, y: float, x: float, reach: float) -> None:
        """Draw one cell whose middle lies at (y, x), px of the window."""
        patch = self._patch(number, y, x, reach)
        if patch is None:
            return
        kind, height = self.drawn.kind[number], np.float32(self.drawn.height_um[number])
        squared = np.minimum(patch.relative, 1) ** 2
        body = height * ((1 - squared) if kind == ADHERENT else np.sqrt(1 - squared))
        seen = (body > self.height[patch.place]) & (patch.relative < 1)
        if not seen.any():
            return
        self._put("height", patch, seen, body)
        if kind in (DEAD, DEBRIS):
            self._draw_remains(patch, seen, body, dead=kind == DEAD)
        else:
            self._draw_living(patch, seen, body)

    def _draw_remains(self, patch: _Patch, seen: NDArray[np.bool_], body: Plane, *, dead: bool) -> None:
        """Dead cells are shrunken and grainy, their DNA in clumps; debris is only thick."""
        index = DEAD_CELL * (1 + 0.35 * patch.grains) if dead else np.full_like(body, GRAIN)
        self._put("path", patch, seen, body * index)
        for name in ("cells", "nuclei", "er", "golgi", "gfp"):
            self._put(name, patch, seen, 0)
        clumps = np.clip(patch.grains, 0, None) * np.sqrt(np.clip(1 - patch.relative**2, 0, 1))
        self._put("dna", patch, seen, 1.6 * clumps if dead else 0)

    def _draw_living(self, patch: _Patch, seen: NDArray[np.bool_], body: Plane) -> None:
        cells, at = self.drawn, patch.number
        rng = np.random.default_rng(cells.seed[at])
        nuclear, outwards_um = _nucleus(cells, patch)
        in_nucleus = nuclear > 0
        thickness = np.minimum(NUCLEUS_HEIGHT * body, 1.2 * cells.nucleus_radius_um[at] * nuclear)
        chromatin = 1 + CHROMATIN_TEXTURE * patch.grains
        nucleoli = np.minimum(_nucleoli(cells, patch, rng), thickness)
        inside = (CHROMOSOMES if cells.kind[at] == MITOTIC else NUCLEUS) * chromatin * thickness
        network = np.clip(1 + 0.45 * patch.network, 0, None)
        outside = body - thickness
        stacks = _golgi(cells, patch, rng)
        vesicles = np.minimum(_vesicles(cells, patch, rng), outside) * ~in_nucleus
        cytoplasm = CYTOPLASM * (1 + ER_TEXTURE * cells.er[at] * (network - 1)) * outside
        path = cytoplasm + inside + (NUCLEOLUS - NUCLEUS) * nucleoli + VESICLE * vesicles
        self._put("path", patch, seen, path + GOLGI_PATH_UM * stacks)
        self._put("cells", patch, seen, at + 1)
        self._put("nuclei", patch, seen, np.where(in_nucleus, at + 1, 0))
        density = 0.7 * cells.dna[at] * (5.0 / _chromatin_radius_um(cells, at)) ** 2
        self._put("dna", patch, seen, density * nuclear * chromatin)
        perinuclear = np.exp(-np.maximum(outwards_um, 0) / ER_FALL_UM)
        self._put("er", patch, seen, cells.er[at] * perinuclear * outside * network / 4.0)
        self._put("golgi", patch, seen, cells.golgi[at] * stacks)
        self._put("gfp", patch, seen, cells.gfp[at] * body / 5.0)

    def _put(self, name: str, patch: _Patch, seen: NDArray[np.bool_], values: Plane | float) -> None:
        plane = getattr(self, name)[patch.place]
        plane[seen] = values[seen] if isinstance(values, np.ndarray) else values

    def _patch(self, number: int, y: float, x: float, reach: float) -> _Patch | None:
        cells, window = self.drawn, self.window
        top, bottom = max(0, int(y - reach)), min(window.rows, int(y + reach) + 1)
        left, right = max(0, int(x - reach)), min(window.columns, int(x + reach) + 1)
        if top >= bottom or left >= right:
            return None
        rows = ((np.arange(top, bottom) - y) * window.pixel_um).astype(np.float32)[:, None]
        columns = ((np.arange(left, right) - x) * window.pixel_um).astype(np.float32)[None, :]
        outline = np.float32(cells.radius_um[number]) * _outline(rows, columns, cells.outline[number])
        relative = np.hypot(rows, columns) / outline
        own = _own_part(self.textures.grains.shape, int(cells.seed[number]), int(reach) + 2)
        part = (
            slice(own[0] + top - round(y), own[0] + bottom - round(y)),
            slice(own[1] + left - round(x), own[1] + right - round(x)),
        )
        network, grains = (texture[part] for texture in self.textures)
        place = (slice(top, bottom), slice(left, right))
        return _Patch(place, rows, columns, relative.astype(np.float32), network, grains, number)


def _outline(y: Plane, x: Plane, waves: NDArray[np.complex128]) -> Plane:
    """Give the outline's distance from the middle, in radii, by direction (Y X): an ellipse and waves."""
    turn = np.arctan2(y, x)
    (oblong, *strengths), (lie, *phases) = (
        np.abs(waves).astype(np.float32),
        np.angle(waves).astype(np.float32),
    )
    ratio = (1 + oblong) / (1 - oblong)
    outline = 1 / np.sqrt(np.cos(turn + lie / 2) ** 2 / ratio + np.sin(turn + lie / 2) ** 2 * ratio)
    for wave, (strength, phase) in enumerate(zip(strengths, phases, strict=True), start=3):
        outline = outline + strength * np.cos(wave * turn + phase)
    drawn: Plane = outline.astype(np.float32)
    return drawn


def _own_part(shape: tuple[int, ...], seed: int, reach_px: int) -> tuple[int, int]:
    """Choose where in a texture a cell's middle lies, so that all of the cell finds room in it."""
    rng = np.random.default_rng((seed, 1))
    y, x = (int(rng.integers(reach_px, size - reach_px)) for size in shape)
    return y, x


def _nucleus(cells: Cells, patch: _Patch) -> tuple[Plane, Plane]:
    """Give the nucleus' profile, 1 in its middle, 0 outside; and how far outside its rim a pixel is, µm."""
    at = patch.number
    y, x = (
        plane - np.float32(offset)
        for plane, offset in zip((patch.y_um, patch.x_um), cells.nucleus_offset_um[at], strict=True)
    )
    along, across = _turned(y, x, cells.nucleus_angle[at])
    axes = np.float32(METAPHASE_AXES if cells.kind[at] == MITOTIC else cells.nucleus_axes[at] ** 0.5)
    radius = np.float32(_chromatin_radius_um(cells, at))
    relative = np.hypot(along / axes, across * axes) / radius
    profile: Plane = np.sqrt(np.clip(1 - relative**2, 0, 1))
    return profile, (relative - 1) * radius


def _chromatin_radius_um(cells: Cells, at: int) -> float:
    """Give the radius of the circle that a nucleus covers, or the chromosomes of a dividing cell."""
    return float(cells.nucleus_radius_um[at] * (METAPHASE_SIZE if cells.kind[at] == MITOTIC else 1.0))


def _nucleoli(cells: Cells, patch: _Patch, rng: np.random.Generator) -> Plane:
    """Draw one to four nucleoli as balls (their height, µm); none while the cell divides."""
    at = patch.number
    drawn = np.zeros_like(patch.relative)
    if cells.kind[at] == MITOTIC:
        return drawn
    for _ in range(rng.integers(1, 5)):
        away = cells.nucleus_radius_um[at] * 0.55 * rng.random() ** 0.5
        _draw_ball(drawn, patch, cells.nucleus_offset_um[at] + _towards(rng, away), rng.uniform(0.6, 1.3))
    return drawn


def _vesicles(cells: Cells, patch: _Patch, rng: np.random.Generator) -> Plane:
    """Draw vesicles and droplets as balls (their height, µm)."""
    at = patch.number
    drawn = np.zeros_like(patch.relative)
    for _ in range(rng.poisson(5 if cells.kind[at] in (ROUNDED, MITOTIC) else 9)):
        away = cells.radius_um[at] * 0.85 * rng.random() ** 0.5
        _draw_ball(drawn, patch, _towards(rng, away), float(np.exp(rng.normal(-0.75, 0.35))))
    return drawn


def _golgi(cells: Cells, patch: _Patch, rng: np.random.Generator) -> Plane:
    """Draw the Golgi's stacks round a place beside the nucleus; their whole is the same in every cell."""
    at = patch.number
    centre, rim = cells.nucleus_offset_um[at], 1.1 * cells.nucleus_radius_um[at] + STACK_UM
    side = np.array([np.sin(cells.golgi_angle[at]), np.cos(cells.golgi_angle[at])])
    places = side * rim + rng.normal(0, cells.golgi_spread_um[at], (STACKS, 2))
    away = np.maximum(np.hypot(*places.T), 1e-3)
    places *= np.clip(away, rim, max(0.85 * cells.radius_um[at], rim))[:, None] / away[:, None]
    sizes = STACK_UM * rng.uniform(0.7, 1.5, STACKS)
    level = GOLGI_AREA_UM2 / float((2 * np.pi * sizes**2).sum())
    drawn = np.zeros_like(patch.relative)
    for place, size in zip(centre + places, sizes, strict=True):
        rows, columns, where = _near(patch, place, 3.5 * size)
        drawn[where] += level * np.exp(-(rows**2 + columns**2) / np.float32(2 * size**2))
    return drawn


def _draw_ball(drawn: Plane, patch: _Patch, place: NDArray[np.float64], radius_um: float) -> None:
    """Add a ball's height (µm) to what is drawn, where it is higher."""
    rows, columns, where = _near(patch, place, radius_um)
    height = 2 * np.sqrt(np.clip(np.float32(radius_um**2) - rows**2 - columns**2, 0, None))
    drawn[where] = np.maximum(drawn[where], height)


def _towards(rng: np.random.Generator, away_um: float) -> NDArray[np.float64]:
    """Give a place (y, x) so far away, in any direction."""
    angle = rng.uniform(0, 2 * np.pi)
    return away_um * np.array([np.sin(angle), np.cos(angle)])


def _near(
    patch: _Patch, place: NDArray[np.float64], reach_um: float
) -> tuple[Plane, Plane, tuple[slice, slice]]:
    """Give the part of a patch near a place, in µm from it, and where in the patch it is."""
    parts, slices = [], []
    for axis, at in ((patch.y_um[:, 0], place[0]), (patch.x_um[0], place[1])):
        start, stop = np.searchsorted(axis, (at - reach_um, at + reach_um))
        parts.append(axis[start:stop] - np.float32(at))
        slices.append(slice(int(start), int(stop)))
    return parts[0][:, None], parts[1][None, :], (slices[0], slices[1])


def _turned(y: Plane, x: Plane, angle: float) -> tuple[Plane, Plane]:
    sine, cosine = np.float32(np.sin(angle)), np.float32(np.cos(angle))
    return cosine * x + sine * y, cosine * y - sine * x


def _standard(plane: Plane) -> Plane:
    scaled: Plane = ((plane - plane.mean()) / plane.std()).astype(np.float32)
    return scaled
