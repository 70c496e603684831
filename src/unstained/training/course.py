"""The course of a training as a table and a picture, kept in the model's bundle."""

import csv
import io
from collections.abc import Sequence

import matplotlib
from matplotlib.figure import Figure

from unstained.training.fitting import Progress


def course_files(course: Sequence[Progress]) -> dict[str, bytes]:
    """Give `curves.csv` and `curves.png` of a training."""
    return {"curves.csv": _table(course), "curves.png": _picture(course)}


def _table(course: Sequence[Progress]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(Progress._fields)
    writer.writerows(["" if value is None else value for value in line] for line in course)
    return text.getvalue().encode()


def _picture(course: Sequence[Progress]) -> bytes:
    with matplotlib.rc_context({"svg.fonttype": "none"}):
        figure = Figure(figsize=(7, 3), layout="constrained")
        loss_axes, pcc_axes = figure.subplots(1, 2)
        steps = [line.step for line in course]
        loss_axes.semilogy(steps, [line.loss for line in course], color="#0072B2", linewidth=0.8)
        loss_axes.set(xlabel="step", ylabel="training loss")
        known = [(line.step, line.pcc) for line in course if line.pcc is not None]
        pcc_axes.plot([step for step, _ in known], [pcc for _, pcc in known], color="#D55E00")
        pcc_axes.set(xlabel="step", ylabel="PCC, validation regions", ylim=(None, 1))
        out = io.BytesIO()
        figure.savefig(out, format="png", dpi=110)
    return out.getvalue()
