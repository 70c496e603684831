"""Write what was found: `cost.json`, `cost.csv`, `cost.png`."""

import csv
from pathlib import Path

from unstained.cost.estimate import Costs, Row
from unstained.cost.figures import money_figure
from unstained.provenance import write_json


def write_costs(folder: Path, costs: Costs) -> None:
    """Write all into a folder that is there."""
    write_json(folder / "cost.json", costs.model_dump(mode="json", by_alias=True))
    with (folder / "cost.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(Row.model_fields), lineterminator="\n")
        writer.writeheader()
        writer.writerows(row.model_dump(mode="json") for row in costs.rows)
    money_figure(costs).savefig(folder / "cost.png", dpi=110)
