"""Tables of the study of embeddings: what clusters tell, what they stand for, what each embedding carries."""

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
from scipy.spatial import cKDTree
from sklearn.linear_model import LogisticRegression

from unstained.arrays import Mask
from unstained.measurement.intervals import Array, Interval, interval_over_wells
from unstained.networks.unet import weight_count
from unstained.plates.plate import Plate
from unstained.studies.embedding_clusters import STRONG, Found, Held
from unstained.studies.study import Row
from unstained.training.autoencoding import LIMIT
from unstained.trust.clusters import NONE, Classes, called, classes_f1, silhouette
from unstained.trust.crops import Crops
from unstained.trust.embeddings import EMBEDDINGS
from unstained.trust.features import Vector
from unstained.trust.reducing import scaled

GOAL = 0.9
CHANCE = 2 / 3
"""F1 of calling all crops corrupted, where both sides count alike."""

MOST_CLASSES = 6
"""A condition of the plate map with more values isn't asked for."""

CONFLUENCE = ("sparse", "middling", "dense")
"""Thirds of the clean crops of the wells of choice."""


def conditions_of(plate: Plate, crops: Crops, chosen: Mask) -> dict[str, Classes]:
    """Give each crop's (N) third of confluence, and its well's conditions that have two to six values.

    A condition that isn't known of every well is left out.
    """
    wells = crops.table["well"]
    known = plate.conditions.set_index("well").reindex(wells.unique()).dropna(axis="columns")
    found = {
        str(name): np.asarray(known[name].reindex(wells).astype(str), dtype=str)
        for name in known
        if 1 < known[name].nunique() <= MOST_CLASSES
    }
    confluence = crops.table["confluence"].to_numpy()
    thirds = np.quantile(confluence[chosen & crops.clean], (1 / 3, 2 / 3))
    return {**found, "confluence": np.asarray(CONFLUENCE)[np.searchsorted(thirds, confluence)]}


def corrupted_row(held: Held, found: Found) -> Row:
    """Give the F1 of telling corrupted from clean by cluster, on wells that nothing was chosen on."""
    strong = found.strong
    low, high = _interval(held, found) or (None, None)
    clean = ~held.corrupted[strong.rows]
    return {
        "embedding": found.embedding, "scaled_by": found.scale, "map": found.reducer,
        "clusters": str(strong.clustering), "number": strong.clusters.number,
        "f1_chosen": strong.f1_chosen, "f1": strong.f1, "f1_low": low, "f1_high": high,
        "false_alarms": float(strong.said[clean].mean()),
        **{f"f1_{level}": scored.f1 for level, scored in found.by_severity.items()},
    }  # fmt: skip


def kinds_row(held: Held, found: Found) -> Row:
    """Give the share of each corruption's strong crops that are called corrupted, and of clean crops."""
    kinds = held.crops.table["kind"].to_numpy()[found.strong.rows]
    shares = {str(kind): float(found.strong.said[kinds == kind].mean()) for kind in pd.unique(kinds)}
    return {"embedding": found.embedding, "scaled_by": found.scale, "map": found.reducer, **shares}


def best_by_embedding(found: Iterable[Found]) -> list[Found]:
    """Give each embedding's best map by what was found on the wells of choice."""
    best: dict[str, Found] = {}
    for each in found:
        known = best.get(each.embedding)
        if known is None or each.strong.f1_chosen > known.strong.f1_chosen:
            best[each.embedding] = each
    return list(best.values())


def cluster_rows(held: Held, found: Found) -> list[Row]:
    """Say what each cluster stands for, −1 being the crops in none: of the wells of choice."""
    table = held.crops.table[held.chosen & held.with_severities(STRONG)]
    labels, conditions = found.strong.clusters.labels, held.conditions
    calls = called(labels, np.asarray(table["kind"] != "clean"))
    rows: list[Row] = []
    for label, call in calls.items():
        own = labels == label
        kinds = table["kind"][own].value_counts(normalize=True)
        row: Row = {"cluster": label, "called": "corrupted" if call else "clean", "crops": int(own.sum())}
        row["kinds"] = ", ".join(f"{kind} {share:.0%}" for kind, share in kinds.items() if share >= 0.05)
        row["severity"] = float(table["severity"][own].abs().mean())
        for name, classes in conditions.items():
            names, counts = np.unique(classes[table.index[own]], return_counts=True)
            row[name] = f"{names[counts.argmax()]} {counts.max() / counts.sum():.0%}"
        rows.append(row)
    return rows


def carried_row(held: Held, name: str) -> Row:
    """Say what an embedding carries, clusters or not.

    `f1_` is of a linear classifier that was fitted on the wells of choice and scored on the others, `s_` the
    silhouette: of corrupted crops (severities 3 to 5) against clean ones, and of conditions among clean ones.
    `same_place` is the share of all these whose nearest neighbour is another look of the same place.
    """
    points = scaled(held.blocks[name], held.crops.clean, held.chosen)
    row: Row = {"embedding": name}
    strong = held.with_severities(STRONG)
    for what, classes, rows in (
        ("corrupted", held.corrupted, strong),
        *((name, classes, held.crops.clean) for name, classes in held.conditions.items()),
    ):
        fitted, others = held.chosen & rows, ~held.chosen & rows
        row[f"f1_{what}"] = None
        if len(np.unique(classes[fitted])) > 1:
            probe = LogisticRegression(max_iter=2000, class_weight="balanced").fit(
                points[fitted], classes[fitted]
            )
            row[f"f1_{what}"] = classes_f1(classes[others], probe.predict(points[others]))
        row[f"s_{what}"] = silhouette(points[rows], classes[rows])
    row["s_well"] = silhouette(points[held.crops.clean], held.wells[held.crops.clean])
    row["same_place"] = _same_place(points[strong], held.crops.table[strong])
    return row


def _same_place(points: Vector, table: pd.DataFrame) -> float:
    """Give the share of crops (N) whose nearest neighbour shows the same place in another state."""
    place = table.groupby(["well", "field", "top_px", "left_px"]).ngroup().to_numpy()
    nearest = cKDTree(points).query(points, k=2)[1][:, 1]
    return float(np.mean(place[nearest] == place))


def autoencoder_row(held: Held, name: str) -> Row:
    """Describe an autoencoder: its layers (Fig. 47), its weights, and how well it gives crops back."""
    learnt = held.learnt[name]
    network, last = learnt.network.settings, learnt.course[-1]
    side = network.innermost_px
    sizes = " → ".join(f"{count}×{network.side_px // 2 ** (level + 1)}²"
                       for level, count in enumerate(network.filters))  # fmt: skip
    code = f"{network.code // side**2}×{side}²" if network.places else str(network.code)
    others = (np.clip(held.crops.seen[row], -LIMIT, LIMIT) for row in np.flatnonzero(~held.chosen))
    variance = float(np.mean([crop.var(dtype=float) for crop in others]))
    return {
        "autoencoder": name, "layers": f"1×{network.side_px}² → {sizes} → {code}, and back",
        "code": network.code, "weights": weight_count(learnt.network), "epochs": last.epoch,
        "loss": last.loss, "loss_other_wells": last.held_out,
        "explained_other_wells": None if last.held_out is None else 1 - last.held_out / variance,
    }  # fmt: skip


def findings(held: Held, found: Sequence[Found], best: Found) -> list[str]:
    """Say in sentences what was found."""
    strong, f1 = best.strong, best.strong.f1 or 0.0
    others, chosen = (len(np.unique(held.wells[side])) for side in (~held.chosen, held.chosen))
    low, high = _interval(held, best) or (float("nan"), float("nan"))
    held_true = "reached" if f1 >= GOAL else "missed"
    told = [
        f"clean against corrupted by cluster, severity 3 to 5, on {others} wells: F1 {f1:.3f} ({low:.3f} to"
        f" {high:.3f}, over wells; goal {GOAL} {held_true}; all called corrupted: {CHANCE:.3f}).",
        f"it is of {best.embedding} on {best.reducer}, scaled by {best.scale} crops, {strong.clustering}: the"
        f" best of {len(found)} ways on {chosen} other wells ({strong.f1_chosen:.3f} there).",
    ]
    outside = strong.clusters.labels == NONE
    corrupted = held.corrupted[held.chosen & held.with_severities(STRONG)]
    told.append(
        f"of the corrupted crops of these wells {np.mean(outside[corrupted]):.0%} lie in no cluster, of the"
        f" clean {np.mean(outside[~corrupted]):.0%}."
    )
    return told + [
        f"{each.embedding} ({EMBEDDINGS[each.embedding]}): F1 {each.strong.f1 or 0:.3f} on its best map."
        for each in best_by_embedding(found)
    ]


def _interval(held: Held, found: Found) -> Interval | None:
    """Give the 95 % interval of the strong F1 from resampling the wells that are scored."""
    strong = found.strong
    truth, said = held.corrupted[strong.rows], strong.said
    terms = np.stack([truth & said, truth, ~truth & said, ~truth], axis=1).astype(float)

    def statistic(sums: Array) -> Array:
        true, false = sums[:, 0] / sums[:, 1], sums[:, 2] / sums[:, 3]
        f1: Array = 2 * true / (1 + true + false)
        return f1

    return interval_over_wells(list(held.wells[strong.rows]), terms, statistic, np.random.default_rng(0))
