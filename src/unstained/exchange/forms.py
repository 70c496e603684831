"""In which other programs' forms the results of a measured plate are written, beside our own."""

from pathlib import Path

from pydantic import Field

from unstained.exchange.images import write_label_tiffs, write_ome_tiffs
from unstained.exchange.tables import write_cellprofiler
from unstained.measurement.plates import Tables
from unstained.plates.plate import Plate
from unstained.settings import Settings


class Forms(Settings):
    """What is written beside our own tables."""

    cellprofiler: bool = Field(False, description="tables in CellProfiler's columns")
    label_tiffs: bool = Field(False, description="labels as TIFF")
    ome_tiffs: bool = Field(False, description="predicted stains as OME-TIFF")

    @property
    def any(self) -> bool:
        """Whether anything is asked for."""
        return self.cellprofiler or self.label_tiffs or self.ome_tiffs


def write_forms(folder: Path, plate: Plate, tables: Tables, forms: Forms) -> None:
    """Write what is asked for of a measured plate into a folder of its tables.

    Raises
    ------
    OutputFailed
        No permission or no space.
    """
    if forms.cellprofiler:
        conditions = [name for name in plate.conditions.columns if name != "well"]
        write_cellprofiler(folder, tables, conditions=conditions, pixel_size_um=plate.pixel_size_um)
    if forms.label_tiffs:
        write_label_tiffs(folder, plate)
    if forms.ome_tiffs:
        write_ome_tiffs(folder, plate)
