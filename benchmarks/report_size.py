"""How large the report of a whole plate is: one file without network.

Usage: python benchmarks/report_size.py [--fields 2]
A simulated plate of 96 wells is predicted by cho-four, measured, compared with its real stains and ranked;
the report has all of it. Writes results/report-size.json.
"""

import argparse
import tempfile
from pathlib import Path

from record import write_result
from unstained import pipeline
from unstained.prediction.labeller import load_model
from unstained.twin.wells import TwinSettings

COMMAND = "python benchmarks/report_size.py"
MODEL, WELLS, SIDE_PX, SEED = "cho-four", 96, 512, 17
MOST_MB = 15.0


def main() -> None:
    """Make the plate and its report, and write how large that is."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fields", type=int, default=2, help="of each well")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        twin = TwinSettings(wells=WELLS, fields=options.fields, side_px=SIDE_PX, seed=SEED)
        plate = pipeline.simulate(folder / "plate.zarr", twin)
        predicted = pipeline.predict(plate, [load_model(MODEL, "cpu")], folder / "predicted.zarr")
        pipeline.measure(predicted, folder / "tables")
        pipeline.evaluate(predicted, plate, folder / "evaluation", fields="all")
        ranking = pipeline.rank_by_default(predicted, folder / "ranking")
        page = pipeline.report(
            predicted, folder / "report.html", evaluation=folder / "evaluation", ranking=ranking, truth=plate
        )
        size = page.stat().st_size / 1e6
    print(f"{size:.1f} MB")
    write_result(
        "report-size", title="report of a plate of 96 wells, MB", value=size, goal=MOST_MB, comparison="<=",
        against={}, data=f"{WELLS} simulated wells × {options.fields} fields of {SIDE_PX}², {MODEL}: four"
        " stains, predicted and real, ranked",
        command=f"{COMMAND} --fields {options.fields}", seed=SEED, issue=7,
    )  # fmt: skip


if __name__ == "__main__":
    main()
