"""What of a well's values its place on the plate, or how full it is, explains; taken away where asked for."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import theilslopes

from unstained.plates.fields import well_place

FEWEST = 6
"""Wells on either side from which an effect is looked for."""

CONFLUENCE = "nuclei.count"


class Correction(NamedTuple):
    """One effect that was taken away, in units of the transformed column."""

    kind: str
    column: str
    size: float  # edge: rim minus inside; confluence: change from the emptiest tenth to the fullest


def corrected(
    values: NDArray[np.float64],
    names: Sequence[str],
    wells: pd.DataFrame,
    full: NDArray[np.float64] | None,
    kinds: Sequence[str],
) -> tuple[NDArray[np.float64], tuple[Correction, ...]]:
    """Take effects away from transformed values (well column); gives these, and what was taken.

    Edge: wells on a plate's rim are moved so that their median is that of its inner wells. Confluence: a line
    through each column against how `full` a well is (Theil & Sen's slope), but for the number of nuclei
    itself. Both mend what chance placed there; where good clones stand at the rim, or grow more, they take
    that, too. With fewer than six wells on either side nothing is taken.
    """
    values, told = values.copy(), []
    if "edge" in kinds:
        for _, group in wells.groupby("plate", sort=False):
            at = wells.index.get_indexer(group.index)
            rim = on_rim(group)
            for index, name in enumerate(names):
                known = np.isfinite(values[at, index])
                if min((rim & known).sum(), (~rim & known).sum()) >= FEWEST:
                    outer, inner = (np.median(values[at[side & known], index]) for side in (rim, ~rim))
                    values[at[rim], index] -= outer - inner
                    told.append(Correction("edge", name, float(outer - inner)))
    if "confluence" in kinds and full is not None:
        for index, name in enumerate(names):
            known = np.isfinite(values[:, index]) & np.isfinite(full)
            if name == CONFLUENCE or known.sum() < 2 * FEWEST or np.ptp(full[known]) == 0:
                continue
            slope = float(theilslopes(values[known, index], full[known])[0])
            values[known, index] -= slope * (full[known] - np.median(full[known]))
            low, high = np.quantile(full[known], (0.1, 0.9))
            told.append(Correction("confluence", name, slope * float(high - low)))
    return values, tuple(told)


def on_rim(wells: pd.DataFrame) -> NDArray[np.bool_]:
    """Say which wells of one plate lie on the rim of what it shows: its first and last row and column."""
    rows, columns = np.array([well_place(str(well)) or (0, 0) for well in wells["well"]]).T
    return np.isin(rows, (rows.min(), rows.max())) | np.isin(columns, (columns.min(), columns.max()))
