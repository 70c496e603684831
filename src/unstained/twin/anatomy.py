"""From rows of cells to planes: heights, refractive indices, and how much of each stain lies where.

Refractive indices in green light: medium 1.335, cytoplasm about 1.36–1.37, nuclei *below* the cytoplasm
around them (Schürmann et al. 2016, J. Biophotonics 9, 1068), nucleoli above the nucleus, vesicles up
to 1.46. Light's path is longer by the integral of index over height.
"""

from typing import NamedTuple

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from unstained.arrays import Labels, Plane
from unstained.twin.cells import ADHERENT, DEAD, DEBRIS, MITOTIC, ROUNDED, Cells

# above the medium's index
CYTOPLASM, NUCLEUS, NUCLEOLUS, CHROMOSOMES, DEAD_CELL, DEBRIS_INDEX = 0.030, 0.024, 0.034, 0.040, 0.045, 0.05
VESICLE = 0.055  # above the cytoplasm
GOLGI_STACK = 0.004
ER_TEXTURE, CHROMATIN_TEXTURE = 0.10, 0.08  # share by which the index differs from place to place
ER_FALL_UM = 3.5  # from the nucleus outwards the ER thins out so
METAPHASE_SIZE, METAPHASE_AXES = 0.55, 1.8  # chromosomes lie in a plate, seen from its edge
STACK_UM = 0.45  # radius of a Golgi stack
REACH = 1.75  # radii within which a cell is drawn


class Window(NamedTuple):
    """A part of a well's canvas, px; `pixel_um` long each."""

    top: int
    left: int
    rows: int
    columns: int
    pixel_um: float


class Textures(NamedTuple):
    """Noise that repeats itself over the canvas (Y X): mean 0, spread 1, by the size of its grains."""

    network: Plane  # ridges, as of tubules and sheets
    grains: Plane


class Anatomy(NamedTuple):
    """What is in a window, (Y X) each."""

    path_um: Plane  # optical path difference against the medium
    cells: Labels  # row in `Cells` + 1
    nuclei: Labels
    height_um: Plane
    dna: Plane  # stains: amount per area, 1 = a typical cell's brightest part
    er: Plane
    golgi: Plane
    gfp: Plane

    def cut(self, part: slice) -> "Anatomy":
        """Give a part of it, the same along y and x."""
        return Anatomy(**{name: plane[part, part] for name, plane in self._asdict().items()})


def make_textures(side: int, pixel_um: float, rng: np.random.Generator) -> Textures:
    """Make textures of `side` px; ridges are about 0.7 µm apart, as a light microscope shows the ER."""
    waves = band_noise(side, 0.9 / pixel_um, rng)
    ridges = 1 - np.abs(waves) / np.abs(waves).mean()
    return Textures(_standard(ridges), band_noise(side, 0.8 / pixel_um, rng))


def band_noise(side: int, size_px: float, rng: np.random.Generator) -> Plane:
    """Make noise (side side) of grains of one size, px: white noise in an octave-wide band of frequencies."""
    spectrum = scipy.fft.rfft2(rng.standard_normal((side, side), dtype=np.float32))
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None])
    band = np.exp(-(np.log2(np.maximum(frequency, 1e-9) * 2 * size_px) ** 2)).astype(np.float32)
    noise: Plane = scipy.fft.irfft2(spectrum * band, s=(side, side))
    return _standard(noise)


def draw_cells(cells: Cells, window: Window, textures: Textures) -> Anatomy:
    """Draw the cells that reach into a window; where two overlap, the higher one is seen."""
    canvas = _Canvas(cells, window, textures)
    reach = REACH * cells.radius_um / window.pixel_um
    y, x = cells.y_um / window.pixel_um - window.top, cells.x_um / window.pixel_um - window.left
    near = (y > -reach) & (y < window.rows + reach) & (x > -reach) & (x < window.columns + reach)
    for index in np.flatnonzero(near):
        canvas.draw(int(index), float(y[index]), float(x[index]), float(reach[index]))
    return canvas.finished()


class _Patch(NamedTuple):
    """A square round a cell, in µm from its middle."""

    place: tuple[slice, slice]
    y_um: Plane
    x_um: Plane
    relative: Plane  # distance from the middle over that of the outline
    number: int  # of the cell


class _Canvas:
    """Planes that are drawn on, cell by cell."""

    def __init__(self, cells: Cells, window: Window, textures: Textures) -> None:
        self.cells_drawn, self.window = cells, window
        shape = (window.rows, window.columns)
        self.textures = Textures(*(_wrapped(plane, window) for plane in textures))
        self.height, self.path, self.dna, self.er, self.golgi, self.gfp = np.zeros((6, *shape), np.float32)
        self.cells, self.nuclei = np.zeros((2, *shape), np.int32)

    def finished(self) -> Anatomy:
        return Anatomy(
            self.path, self.cells, self.nuclei, self.height, self.dna, self.er, self.golgi, self.gfp
        )

    def draw(self, index: int, y: float, x: float, reach: float) -> None:
        """Draw one cell whose middle lies at (y, x), px of the window."""
        patch = self._patch(index, y, x, reach)
        if patch is None:
            return
        kind, height = self.cells_drawn.kind[index], float(self.cells_drawn.height_um[index])
        squared = np.minimum(patch.relative, 1) ** 2
        shape = (1 - squared) if kind == ADHERENT else np.sqrt(1 - squared)
        body = np.float32(height) * shape
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
        grains = self.textures.grains[patch.place]
        index = DEAD_CELL * (1 + 0.35 * grains) if dead else np.float32(DEBRIS_INDEX)
        self._put("path", patch, seen, body * index)
        for name in ("cells", "nuclei", "er", "golgi", "gfp"):
            self._put(name, patch, seen, 0)
        clumps = np.clip(grains, 0, None) * np.sqrt(np.clip(1 - patch.relative**2, 0, 1))
        self._put("dna", patch, seen, 1.6 * clumps if dead else 0)

    def _draw_living(self, patch: _Patch, seen: NDArray[np.bool_], body: Plane) -> None:
        cells, at = self.cells_drawn, patch.number
        rng = np.random.default_rng(cells.seed[at])
        nuclear, distance_um = _nucleus(cells, patch)
        thickness = np.minimum(0.75 * body, 2 * cells.nucleus_um[at] * 0.6) * nuclear
        in_nucleus = seen & (nuclear > 0)
        grains = self.textures.grains[patch.place]
        chromatin = 1 + CHROMATIN_TEXTURE * grains
        nucleoli = _nucleoli(cells, patch, rng) if cells.kind[at] != MITOTIC else np.float32(0)
        inside = (CHROMOSOMES if cells.kind[at] == MITOTIC else NUCLEUS) * chromatin
        inside = inside + (NUCLEOLUS - NUCLEUS) * nucleoli
        network = np.clip(1 + 0.45 * self.textures.network[patch.place], 0, None)
        outside = np.maximum(body - thickness, 0)
        er = cells.er[at] * np.exp(-np.maximum(distance_um, 0) / ER_FALL_UM) * outside
        stacks = _golgi(cells, patch, rng) * (body > 0.5) * ~in_nucleus
        vesicles = _vesicles(cells, patch, rng, body) * ~in_nucleus
        texture = 1 + ER_TEXTURE * cells.er[at] * (network - 1)
        path = CYTOPLASM * texture * outside + inside * thickness + VESICLE * vesicles
        self._put("path", patch, seen, path + GOLGI_STACK * stacks)
        self._put("cells", patch, seen, at + 1)
        self._put("nuclei", patch, seen, np.where(in_nucleus, at + 1, 0))
        density = 0.7 * cells.dna[at] * (5.0 / _chromatin_um(cells, at)) ** 2
        self._put("dna", patch, seen, density * nuclear * chromatin * (1 - 0.5 * nucleoli))
        self._put("er", patch, seen, er * network / 4.0)
        self._put("golgi", patch, seen, cells.golgi[at] * stacks)
        self._put("gfp", patch, seen, cells.gfp[at] * body / 5.0)

    def _put(self, name: str, patch: _Patch, seen: NDArray[np.bool_], values: Plane | float) -> None:
        plane = getattr(self, name)[patch.place]
        plane[seen] = values[seen] if isinstance(values, np.ndarray) else values

    def _patch(self, index: int, y: float, x: float, reach: float) -> _Patch | None:
        cells, window = self.cells_drawn, self.window
        top, bottom = max(0, int(y - reach)), min(window.rows, int(y + reach) + 1)
        left, right = max(0, int(x - reach)), min(window.columns, int(x + reach) + 1)
        if top >= bottom or left >= right:
            return None
        rows = ((np.arange(top, bottom) - y) * window.pixel_um).astype(np.float32)[:, None]
        columns = ((np.arange(left, right) - x) * window.pixel_um).astype(np.float32)[None, :]
        turn = np.arctan2(rows, columns)
        outline = np.ones_like(turn)
        for wave, part in enumerate(cells.outline[index], start=2):
            outline = outline + np.float32(abs(part)) * np.cos(wave * turn + np.float32(np.angle(part)))
        radius: Plane = np.float32(cells.radius_um[index]) * outline
        relative = (np.hypot(rows, columns) / radius).astype(np.float32)
        return _Patch((slice(top, bottom), slice(left, right)), rows, columns, relative, index)


def _nucleus(cells: Cells, patch: _Patch) -> tuple[Plane, Plane]:
    """Give the nucleus' profile, 1 in its middle, 0 outside; and how far outside its rim a pixel is, µm."""
    at = patch.number
    y, x = (
        plane - np.float32(offset)
        for plane, offset in zip((patch.y_um, patch.x_um), cells.nucleus_offset_um[at], strict=True)
    )
    along, across = _turned(y, x, cells.nucleus_angle[at])
    mitotic = cells.kind[at] == MITOTIC
    axes = METAPHASE_AXES if mitotic else cells.nucleus_axes[at] ** 0.5
    radius = np.float32(_chromatin_um(cells, at))
    relative = np.hypot(along / np.float32(axes), across * np.float32(axes)) / radius
    profile: Plane = np.sqrt(np.clip(1 - relative**2, 0, 1))
    return profile, (relative - 1) * radius


def _chromatin_um(cells: Cells, at: int) -> float:
    """Give the radius of the circle that a nucleus covers, or the chromosomes of a dividing cell, µm."""
    return float(cells.nucleus_um[at] * (METAPHASE_SIZE if cells.kind[at] == MITOTIC else 1.0))


def _nucleoli(cells: Cells, patch: _Patch, rng: np.random.Generator) -> Plane:
    """Draw one to four nucleoli, 1 inside."""
    at = patch.number
    drawn = np.zeros(np.broadcast_shapes(patch.y_um.shape, patch.x_um.shape), np.float32)
    for _ in range(rng.integers(1, 5)):
        angle, radius = rng.uniform(0, 2 * np.pi), cells.nucleus_um[at] * 0.55 * rng.random() ** 0.5
        y, x = cells.nucleus_offset_um[at] + radius * np.array([np.sin(angle), np.cos(angle)])
        size = rng.uniform(0.6, 1.3)
        drawn = np.maximum(drawn, _ball(patch, y, x, size))
    return drawn


def _golgi(cells: Cells, patch: _Patch, rng: np.random.Generator) -> Plane:
    """Draw the Golgi's stacks: a dozen short cisternae round a place beside the nucleus."""
    at = patch.number
    angle = cells.golgi_angle[at]
    side = np.array([np.sin(angle), np.cos(angle)])
    middle = cells.nucleus_offset_um[at] + side * (cells.nucleus_um[at] + 0.8)
    places = middle + rng.normal(0, cells.golgi_spread_um[at], (14, 2))
    drawn = np.zeros(np.broadcast_shapes(patch.y_um.shape, patch.x_um.shape), np.float32)
    for (y, x), size in zip(places, STACK_UM * rng.uniform(0.7, 1.5, 14), strict=True):
        rows, columns, where = _near(patch, y, x, 3 * size)
        if rows.size and columns.size:
            drawn[where] += np.exp(-(rows**2 + columns**2) / np.float32(2 * size**2))
    return drawn


def _vesicles(cells: Cells, patch: _Patch, rng: np.random.Generator, body: Plane) -> Plane:
    """Draw vesicles and droplets as balls (their height, µm), no higher than the cell."""
    at = patch.number
    drawn = np.zeros(body.shape, np.float32)
    rounded = cells.kind[at] in (ROUNDED, MITOTIC)
    for _ in range(rng.poisson(5 if rounded else 9)):
        angle, radius = rng.uniform(0, 2 * np.pi), cells.radius_um[at] * 0.85 * rng.random() ** 0.5
        size = float(np.exp(rng.normal(-0.75, 0.35)))
        y, x = radius * np.sin(angle), radius * np.cos(angle)
        rows, columns, where = _near(patch, y, x, size)
        if rows.size and columns.size:
            ball = 2 * np.sqrt(np.clip(np.float32(size**2) - rows**2 - columns**2, 0, None))
            drawn[where] = np.maximum(drawn[where], ball)
    return np.minimum(drawn, body)


def _ball(patch: _Patch, y: float, x: float, radius: float) -> Plane:
    squared = ((patch.y_um - np.float32(y)) ** 2 + (patch.x_um - np.float32(x)) ** 2) / np.float32(radius**2)
    profile: Plane = np.sqrt(np.clip(1 - squared, 0, 1))
    return profile


def _near(patch: _Patch, y: float, x: float, reach: float) -> tuple[Plane, Plane, tuple[slice, slice]]:
    """Give the part of a patch within `reach` µm of a place, in µm from it, and where in the patch it is."""
    parts, places = [], []
    for axis, at in ((patch.y_um[:, 0], y), (patch.x_um[0], x)):
        start, stop = np.searchsorted(axis, (at - reach, at + reach))
        parts.append(axis[start:stop] - np.float32(at))
        places.append(slice(int(start), int(stop)))
    return parts[0][:, None], parts[1][None, :], (places[0], places[1])


def _turned(y: Plane, x: Plane, angle: float) -> tuple[Plane, Plane]:
    sine, cosine = np.float32(np.sin(angle)), np.float32(np.cos(angle))
    return cosine * x + sine * y, cosine * y - sine * x


def _wrapped(plane: Plane, window: Window) -> Plane:
    rows = np.arange(window.top, window.top + window.rows) % plane.shape[0]
    columns = np.arange(window.left, window.left + window.columns) % plane.shape[1]
    return plane[np.ix_(rows, columns)]


def _standard(plane: Plane) -> Plane:
    scaled: Plane = ((plane - plane.mean()) / plane.std()).astype(np.float32)
    return scaled
