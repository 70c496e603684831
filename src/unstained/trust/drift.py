"""Watch fields as they come: an alarm where they are no longer like the reference.

The method is online MMD (Cobb, Van Looveren & Klaise 2022, arXiv 2108.00883) with two changes. The unit is
a field, one vector each, and bootstrapped streams keep the fields of a well together: they are alike, and
fields drawn one by one would promise rarer false alarms than there are. Several windows are watched at once,
so that nobody has to choose one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator
from scipy.special import gammaincinv

from unstained.errors import BadInput, listed
from unstained.settings import Settings
from unstained.trust.mmd import (
    BATCH_VALUES,
    Array,
    Groups,
    Indices,
    checked_features,
    checked_groups,
    gaussian_kernel,
    median_squared_distance,
    mmd2_of_sums,
    same_length,
    window_statistics,
    without_diagonal,
)
from unstained.trust.streams import (
    STREAMS_PER_FIELD,
    clean_reference,
    draw_streams,
    level_passed,
    longest_stream,
    members_of,
)

FEWEST_STREAMS_PER_FIELD = 10
"""Bootstrapped streams for each field of the expected run time, at least."""
ORDERS = 50
"""Orders of wells in which held-out fields are watched."""
REPLAYED_AT_ONCE = 64


class DriftSettings(Settings):
    """When the detector raises an alarm."""

    ert: int = Field(128, ge=2, description="expected run time: clean fields per false alarm")
    windows: tuple[int, ...] = Field(
        (1, 2, 5, 10, 20), min_length=1, description="numbers of newest fields that are watched, all at once"
    )
    bootstraps: int | None = Field(None, ge=1, description="bootstrapped streams; null = 100 times ert")
    burn_in: int = Field(0, ge=0, description="clean fields at the start, scored but without an alarm")

    @model_validator(mode="after")
    def _windows_rise(self) -> Self:
        if self.windows[0] < 1 or list(self.windows) != sorted(set(self.windows)):
            raise ValueError(f"windows {self.windows} must rise, from 1 field on")
        if self.ert <= self.windows[0]:
            raise ValueError(f"ert ({self.ert}) must be longer than the shortest window ({self.windows[0]})")
        if self.bootstraps is not None and self.bootstraps < FEWEST_STREAMS_PER_FIELD * self.ert:
            raise ValueError(
                f"bootstraps ({self.bootstraps}) must be at least {FEWEST_STREAMS_PER_FIELD} times ert"
            )
        return self


class Reading(NamedTuple):
    """What the detector says of one field."""

    seen: int  # fields since the start, this one included
    score: float | None  # the windows' highest, in deviations; None until the shortest is full
    threshold: float | None
    window: int | None  # the one that scores highest
    exceeds: bool
    alarm: bool  # exceeds after the burn-in


class SelfCheck(NamedTuple):
    """What the promised run time is worth on held-out clean fields."""

    promised: int  # fields
    achieved: float | None  # fields watched ÷ alarms; None without any alarm
    low: float  # of the 95 % interval
    high: float | None
    watched: float  # fields, for each time that the held-out fields were gone through
    alarms: float


@dataclass(frozen=True, eq=False)
class Calibration:
    """All that decides on an alarm."""

    reference: Array  # (N F)
    wells: NDArray[np.str_]  # of the reference (N)
    scale: float  # of the kernel
    within: float  # mean kernel of two fields of the reference
    windows: Indices
    means: Array  # of each window's MMD² without drift
    deviations: Array
    thresholds: Array  # for the 1st, 2nd, … field since the start; the last one stays
    ert: int
    burn_in: int

    def is_that_of(self, other: "Calibration") -> bool:
        """Say whether two detectors promise the same by the same reference."""
        return (self.ert, self.burn_in) == (other.ert, other.burn_in) and all(
            np.array_equal(getattr(self, name), getattr(other, name)) for name in ("windows", "reference")
        )

    def scores(self, stream: Array) -> Array:
        """Score every window that ends at each field of `stream` (M F), as (M windows); −∞ where not full."""
        stream = self.checked(stream)
        before = int(self.windows[-1]) - 1
        cross, found = self._cross(stream), np.empty((len(stream), len(self.windows)))
        for first in range(0, len(stream), REPLAYED_AT_ONCE):
            start, end = max(0, first - before), first + REPLAYED_AT_ONCE
            block = without_diagonal(gaussian_kernel(stream[start:end], stream[start:end], self.scale))
            statistics = window_statistics(block, cross[start:end], np.array(self.within), self.windows)
            found[first:end] = statistics[first - start :]
        found -= self.means
        found /= self.deviations
        return found

    def _cross(self, stream: Array) -> Array:
        """Give each field's mean kernel with the reference (M)."""
        batch = max(1, BATCH_VALUES // (16 * len(self.reference)))  # small enough for the processor's cache
        parts = [stream[first : first + batch] for first in range(0, len(stream), batch)]
        return np.concatenate(
            [gaussian_kernel(each, self.reference, self.scale).mean(axis=1) for each in parts]
        )

    def replay(self, stream: Array) -> Indices:
        """Give the fields of `stream` (M F), counted from 0, at which a fresh detector raises an alarm."""
        scores = self.scores(stream)
        return np.array(_alarms(self, scores, np.arange(self.burn_in, len(scores)))[0], dtype=np.intp)

    def checked(self, stream: Array) -> Array:
        """Refuse what isn't feature vectors like those of the reference."""
        stream = checked_features(stream, "the stream")
        same_length(self.reference, stream)
        return stream


MEMORY = ("newest", "newest_squares", "block", "cross")
"""Arrays in which a detector keeps the newest fields."""


class DriftDetector:
    """Watches one field after the other; all that it knows is its calibration and the newest fields.

    After an alarm it starts anew with the next field. Where that alarm was false, go on with the next
    well: the other fields of this one are just as unusual.
    """

    def __init__(self, calibration: Calibration) -> None:
        self.calibration = calibration
        self._middle = calibration.reference.mean(axis=0)
        self._weights = np.full(len(calibration.reference), 1 / len(calibration.reference))
        longest = int(calibration.windows[-1])
        ring = np.zeros((longest, calibration.reference.shape[1]))
        self._points = np.concatenate([calibration.reference - self._middle, ring])
        self._squares = np.einsum("nf,nf->n", self._points, self._points)
        self._newest, self._newest_squares = self._points[-longest:], self._squares[-longest:]  # views
        self._block = np.zeros((longest, longest))  # kernel of the newest fields, in the ring's order
        self._cross = np.zeros(longest)
        self._ages = (np.arange(longest)[:, None] - np.arange(longest)) % longest  # slots by age
        self._burn_in = calibration.burn_in
        self._seen = 0

    def reset(self) -> None:
        """Start a new window: what was seen so far no longer counts."""
        self._seen = 0

    def update(self, vector: Array) -> Reading:
        """Take the next field's vector (F) and say whether it brings an alarm.

        The first `burn_in` fields are scored, raise no alarm, and are left behind: then a new window starts.

        Raises
        ------
        BadInput
            The vector has another length than the reference's, or holds NaN or infinite values.
        """
        known = self.calibration
        (field,) = known.checked(np.asarray(vector)[None])
        scores = (self._statistics(field) - known.means) / known.deviations
        best = int(scores.argmax())
        threshold = float(known.thresholds[min(self._seen, len(known.thresholds)) - 1])
        exceeds = bool(scores[best] > threshold)
        reading = Reading(
            self._seen, float(scores[best]), threshold, int(known.windows[best]), exceeds,
            exceeds and not self._burn_in,
        )  # fmt: skip
        if np.isneginf(scores[best]):
            reading = reading._replace(score=None, threshold=None, window=None)
        if self._burn_in == 1 or reading.alarm:
            self.reset()
        self._burn_in = max(0, self._burn_in - 1)
        return reading

    def _statistics(self, field: Array) -> Array:
        """Add a field to the ring; gives the MMD² of each window that ends with it, −∞ where not full."""
        windows, rows, longest = self.calibration.windows, len(self._weights), len(self._cross)
        slot = self._seen % longest
        field = field - self._middle
        self._newest[slot], self._newest_squares[slot] = field, field @ field
        distances = self._squares + field @ field - 2 * (self._points @ field)
        column = np.exp(np.maximum(distances, 0) / -self.calibration.scale)
        column[rows + slot] = 0
        self._block[slot] = self._block[:, slot] = column[rows:]
        self._cross[slot] = column[:rows] @ self._weights
        self._seen += 1
        slots = self._ages[slot]
        own = self._block[slots[:, None], slots].cumsum(axis=0).cumsum(axis=1)[windows - 1, windows - 1]
        across = self._cross[slots].cumsum()[windows - 1]
        statistics = mmd2_of_sums(own, across, self.calibration.within, windows)
        return np.where(windows <= self._seen, statistics, -np.inf)

    def state(self) -> dict[str, NDArray[Any]]:
        """Give all that `restored` needs, as plain arrays for `numpy.savez`."""
        kept = {field.name: getattr(self.calibration, field.name) for field in fields(Calibration)}
        kept |= {name: getattr(self, f"_{name}") for name in MEMORY}
        kept["progress"] = [self._seen, self._burn_in]
        return {name: np.array(value) for name, value in kept.items()}

    @classmethod
    def restored(cls, state: Mapping[str, NDArray[Any]]) -> Self:
        """Make the detector again that gave `state`: it goes on as if it had never stopped.

        Raises
        ------
        BadInput
            Arrays are missing, or of another shape than the detector's.
        """
        plain = [field.name for field in fields(Calibration)]
        arrays = {name: np.array(state[name]) for name in (*plain, *MEMORY, "progress") if name in state}
        missing = [name for name in (*plain, *MEMORY, "progress") if name not in arrays]
        if missing:
            raise BadInput(f"this is no detector's state: it lacks {listed(missing)}")
        known: dict[str, Any] = {n: arrays[n] if arrays[n].ndim else arrays[n].item() for n in plain}
        detector = cls(Calibration(**known))
        for name in MEMORY:
            memory = getattr(detector, f"_{name}")
            if arrays[name].shape != memory.shape:
                raise BadInput(f"this is no detector's state: its {name!r} has shape {arrays[name].shape}")
            memory[...] = arrays[name]
        detector._seen, detector._burn_in = map(int, arrays["progress"])
        return detector


def calibrate_drift(
    reference: Array, groups: Groups | None, settings: DriftSettings, rng: np.random.Generator
) -> DriftDetector:
    """Make a detector from clean fields: one vector each (N F), of features of like scale, and their wells.

    Streams are drawn from the reference, whole wells in random order, and watched against the rest of it.
    A threshold for each field since the start lets one in `ert` of those streams pass that haven't yet;
    after the longest window it stays at the level that does so on average. A first window longer than one
    field raises no alarm before it is full, so those after are as much more frequent. Windows are watched
    as far as streams of twice their length take no more than half of the reference.

    Raises
    ------
    BadInput
        No run time can be promised: wells aren't known, there are fewer than 50 fields or 9 wells, or no
        window fits. Or values are NaN, infinite or constant.
    """
    reference, wells, members = clean_reference(reference, groups)
    windows = _fitting(settings.windows, members)
    scale = median_squared_distance(reference)
    kernel = without_diagonal(gaussian_kernel(reference, reference, scale))
    bootstraps = settings.bootstraps or STREAMS_PER_FIELD * settings.ert
    statistics = _bootstrapped(kernel, members, windows, (bootstraps, rng))
    full = [statistics[:, width - 1 :, index] for index, width in enumerate(windows)]
    means, deviations = np.array([each.mean() for each in full]), np.array([each.std() for each in full])
    statistics -= means
    statistics /= deviations
    scan = statistics.max(axis=2)
    hazard = 1 / (settings.ert - windows[0] + 1)
    within = kernel.sum() / (len(kernel) * (len(kernel) - 1))
    return DriftDetector(
        Calibration(
            reference, wells, scale, float(within), windows, means, deviations,
            _thresholds(scan, int(windows[-1]), hazard), settings.ert, settings.burn_in,
        )
    )  # fmt: skip


def self_check(
    detector: DriftDetector,
    held_out: Array,
    groups: Groups | None,
    rng: np.random.Generator,
    orders: int = ORDERS,
) -> SelfCheck:
    """Watch held-out clean fields (M F), and say how many there are for each alarm.

    They are gone through in several random orders of their wells; after an alarm the detector starts anew
    with the next well. The interval is that of a Poisson count (Garwood 1936) for going through once, as
    further orders bring no new fields.

    Raises
    ------
    BadInput
        Wells aren't known or are some of the reference's; or values are NaN or infinite.
    """
    known = detector.calibration
    held_out = known.checked(held_out)
    wells = checked_groups(groups, len(held_out), "the held-out part")
    shared = np.intersect1d(wells, known.wells)
    if len(shared):
        raise BadInput(
            f"held-out wells are in the reference: {listed(shared)}; if they are others, add the plate's name"
        )
    members = members_of(wells)
    watched = alarms = 0
    for _ in range(orders):
        order = [members[number] for number in rng.permutation(len(members))]
        starts = np.cumsum([0, *map(len, order)])[:-1]
        raised, seen = _alarms(known, known.scores(held_out[np.concatenate(order)]), starts)
        watched, alarms = watched + seen, alarms + len(raised)
    each, count = watched / orders, alarms / orders
    return SelfCheck(
        known.ert, watched / alarms if alarms else None, each / float(gammaincinv(count + 1, 0.975)),
        each / float(gammaincinv(count, 0.025)) if alarms else None, each, count,
    )  # fmt: skip


def _alarms(known: Calibration, scores: Array, starts: Indices) -> tuple[list[int], int]:
    """Watch a scored stream (M windows) from the first of `starts` on; gives the alarms, and fields watched.

    After an alarm the detector starts anew, with the next of `starts`.
    """
    longest, total = int(known.windows[-1]), len(scores)
    late = np.flatnonzero(scores.max(axis=1) > known.thresholds[-1])
    full = known.windows <= np.arange(1, longest + 1)[:, None]  # (field since the start, window)
    found: list[int] = []
    watched, start = 0, int(starts[0]) if len(starts) else total
    while start < total:
        first = scores[start : start + longest]
        early = np.where(full[: len(first)], first, -np.inf).max(axis=1) > known.thresholds[: len(first)]
        next_late = np.searchsorted(late, start + longest)
        if early.any():
            alarm = start + int(early.argmax())
        elif next_late < len(late):
            alarm = int(late[next_late])
        else:
            return found, watched + total - start
        found.append(alarm)
        watched += alarm - start + 1
        after = np.searchsorted(starts, alarm, side="right")
        start = int(starts[after]) if after < len(starts) else total
    return found, watched


def _fitting(windows: Sequence[int], members: list[Indices]) -> Indices:
    """Keep the windows for which the reference has streams of twice their length."""
    most = max(0, longest_stream(members) // 2)
    fitting = np.array([width for width in windows if width <= most], dtype=np.intp)
    if not len(fitting):
        raise BadInput(
            f"the reference allows windows of up to {most} fields ({len(members)} wells, the largest of"
            f" {max(map(len, members))} fields); the shortest asked for is {windows[0]}"
        )
    return fitting


def _bootstrapped(
    kernel: Array, members: list[Indices], windows: Indices, draws: tuple[int, np.random.Generator]
) -> Array:
    """Watch streams drawn from the reference against the rest of it; gives MMD² (stream T windows).

    Costs N² once for the kernel's column sums, then for each stream only its own block of the kernel.
    """
    (bootstraps, rng), rows, length = draws, len(kernel), 2 * int(windows[-1])
    padded = np.pad(kernel, (0, 1))  # −1, which pads streams, is a row and column of zeros
    columns = padded.sum(axis=0)
    batch = max(1, BATCH_VALUES // (4 * (length + max(map(len, members))) ** 2))
    found = np.empty((bootstraps, length, len(windows)))
    for first in range(0, bootstraps, batch):
        taken = draw_streams(members, length, min(batch, bootstraps - first), rng)
        block = padded[taken[:, :, None], taken[:, None, :]]
        left = rows - np.count_nonzero(taken >= 0, axis=1)
        of_taken = block.sum(axis=1)
        within = columns.sum() - 2 * columns[taken].sum(axis=1) + of_taken.sum(axis=1)
        cross = (columns[taken] - of_taken)[:, :length] / left[:, None]
        found[first : first + batch] = window_statistics(
            block[:, :length, :length], cross, within / (left * (left - 1)), windows
        )
    return found


def _thresholds(scan: Array, longest: int, hazard: float) -> Array:
    """Find what so many of the streams (stream T) pass at each field that have passed nothing before."""
    levels = np.full(longest + 1, np.inf)
    for field in range(longest):
        now = scan[:, field]
        if np.isfinite(now[0]):  # the shortest window is full
            levels[field] = np.quantile(now, 1 - hazard)
            scan = scan[now <= levels[field]]
    levels[-1] = level_passed(np.maximum.accumulate(scan[:, longest:], axis=1), hazard)
    return levels
