"""How the cost of labelling grows from 10² to 10⁷ fields: the table and the picture of docs/scale-plan.md.

Usage: python benchmarks/cost_growth.py --costs cost/cost.json [--machine g5.xlarge] [--out docs/pictures]
Reads what `unstained cost` measured; nothing is timed here, so no result is written.
"""

import argparse
from pathlib import Path

from unstained.cost.estimate import Costs
from unstained.cost.figures import growth_figure
from unstained.cost.growth import A_DAY, S3, growth

FIELDS = tuple(10**power for power in range(2, 8))
STAGES = ("starting", "read", "network", "objects", "write", "store reads", "store writes")


def main() -> None:
    """Print the table and draw the picture."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--costs", type=Path, required=True, help="cost.json of `unstained cost`")
    arguments.add_argument("--machine", default="g5.xlarge")
    arguments.add_argument("--out", type=Path, default=Path("docs/pictures"))
    chosen = arguments.parse_args()
    costs = Costs.model_validate_json(chosen.costs.read_text(encoding="utf-8"))
    machine = costs.prices.machines[chosen.machine]
    rows = [growth(costs.times, machine, fields, S3, A_DAY) for fields in FIELDS]
    print("| fields | machines | hours | money | of it rent | requests | a month's storage | bottleneck |")
    print("|---|---|---|---|---|---|---|---|")
    for row in rows:
        money = " | ".join(f"{row[part]:,.2f}" for part in ("money", "rent", "requests", "kept_a_month"))
        counts = f"{row['fields']:,} | {row['machines']} | {row['hours']:.1f}"
        print(f"| {counts} | {money} | {row['bottleneck']} |")
    growth_figure(rows, STAGES).savefig(chosen.out / "cost-growth.png", dpi=100)


if __name__ == "__main__":
    main()
