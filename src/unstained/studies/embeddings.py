"""What embeddings of label-free crops tell, and whether corrupted crops lie in clusters of their own."""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from matplotlib.figure import Figure
from pydantic import Field

from unstained.errors import BadInput, listed
from unstained.networks.bundle import Model
from unstained.plates.plate import FieldName, Plate
from unstained.prediction.engine import Engine
from unstained.settings import Settings
from unstained.studies.embedding_clusters import Found, Held, find_clusters
from unstained.studies.embedding_figures import (
    autoencoder_courses,
    autoencoder_samples,
    bottleneck_maps,
    coloured_maps,
    early_and_late,
    exemplars,
    severity_maps,
)
from unstained.studies.embedding_tables import (
    autoencoder_row,
    best_by_embedding,
    carried_row,
    cluster_rows,
    conditions_of,
    corrupted_row,
    findings,
    kinds_row,
)
from unstained.studies.study import Answer
from unstained.studies.workbench import Workbench
from unstained.training.autoencoding import AutoencodingSettings
from unstained.trust.crops import Crops, CropSettings, take_crops
from unstained.trust.embeddings import AUTOENCODERS, BOTTLENECK, EMBEDDINGS, embed_crops, train_for
from unstained.trust.reducing import SCALES, need_packages

KINDS = ("thesis_defocus", "contrast", "brightness", "defocus", "lamp", "shear_inversion")
"""Corruptions that are tried: the thesis' three, and three of a microscope."""

THESIS = ({"embedding": "U-Net bottleneck", "f1": 0.76}, {"embedding": "autoencoder", "f1": 0.64})
"""Its F1 of clusters; it doesn't say of which severity, nor on which crops parameters were chosen."""


class EmbeddingSettings(Settings):
    """What the study looks at; the defaults are what it answers with."""

    crops: CropSettings = CropSettings(kinds=KINDS, changes=10)
    autoencoding: AutoencodingSettings = AutoencodingSettings(epochs=20)
    embeddings: tuple[str, ...] = tuple(EMBEDDINGS)
    reducers: tuple[str, ...] = Field(
        ("pca", "pca10", "pca10-umap", "pca10-pacmap"), description="maps in which clusters are looked for"
    )
    shown: tuple[str, ...] = Field(
        ("pca", "umap", "pca10-umap", "pca50-umap", "pacmap"), description="maps of the bottleneck (Fig. 44)"
    )
    shown_code: str = Field("pca10-umap", description="map of the codes, early and late (Fig. 48)")
    most_fields: int = Field(48, ge=2, description="of each side; more are thinned out evenly")
    seed: int = 0


AS_USUAL = EmbeddingSettings()


def embeddings(bench: Workbench) -> Answer:
    """Embed crops of training and of test wells; look for clusters in the first, score them in the second."""
    stain = "nuclei" if "nuclei" in bench.targets else next(iter(bench.targets))
    model = bench.model(bench.variant("default", stain), bench.seeds[0])
    sides = bench.training_fields, bench.test_fields
    return study_embeddings(model, bench.plate, sides, tell=bench.tell)


def study_embeddings(
    model: Model,
    plate: Plate,
    sides: tuple[Sequence[FieldName], Sequence[FieldName]],
    settings: EmbeddingSettings = AS_USUAL,
    tell: Callable[[str], None] = lambda _: None,
) -> Answer:
    """Answer with a model at hand: fit and choose on fields of the first side, score on those of the second.

    Raises
    ------
    BadInput
        A well stands on both sides.
    MissingExtra
        A map needs umap-learn or pacmap.
    """
    choosing, scoring = ({name.well for name in side} for side in sides)
    if choosing & scoring:
        raise BadInput(f"wells can't be chosen on and scored: {listed(sorted(choosing & scoring))}")
    need_packages(*settings.reducers, *settings.shown, settings.shown_code)  # before any work
    with tempfile.TemporaryDirectory(prefix="unstained-embeddings-", ignore_cleanup_errors=True) as scratch:
        fields = [name for side in sides for name in side[:: -(-len(side) // settings.most_fields)]]
        crops = take_crops(Engine(model), plate, fields, settings.crops, Path(scratch))
        held = hold(model, plate, crops, choosing, settings, tell)
        return answer(held, settings, tell)


def hold(
    model: Model,
    plate: Plate,
    crops: Crops,
    wells: set[str],
    settings: EmbeddingSettings,
    tell: Callable[[str], None] = lambda _: None,
) -> Held:
    """Train the autoencoders, and put all crops into every embedding; `wells` are those of choice."""
    chosen = crops.table["well"].isin(wells).to_numpy()
    learnt = {
        name: train_for(name, crops, chosen, settings.autoencoding, tell)
        for name in settings.embeddings
        if name in AUTOENCODERS
    }
    tell(f"embed {len(crops.seen)} crops")
    blocks = embed_crops(settings.embeddings, crops, chosen, model.network, learnt)
    return Held(crops, chosen, blocks, learnt, conditions_of(plate, crops, chosen), settings.seed)


def answer(
    held: Held, settings: EmbeddingSettings = AS_USUAL, tell: Callable[[str], None] = lambda _: None
) -> Answer:
    """Look for clusters in every embedding on every map, and say what each embedding carries."""
    found = []
    for name in settings.embeddings:
        tell(f"clusters of {name}")
        maps = ((reducer, scale) for reducer in settings.reducers for scale in SCALES)
        found += [find_clusters(held, name, reducer, scale) for reducer, scale in maps]
    best = max(found, key=lambda each: each.strong.f1_chosen)
    tables = {
        "corrupted": [corrupted_row(held, each) for each in found],
        "kinds": [kinds_row(held, each) for each in best_by_embedding(found)],
        "carried": [carried_row(held, name) for name in settings.embeddings],
        "clusters": cluster_rows(held, best),
        "autoencoders": [autoencoder_row(held, name) for name in held.learnt],
    }
    tell("figures")
    known = {name: rows for name, rows in tables.items() if rows}
    return Answer(known, findings(held, found, best), _figures(held, best, settings), THESIS)


def _figures(held: Held, best: Found, settings: EmbeddingSettings) -> dict[str, Figure]:
    figures = {
        "map": coloured_maps(held, best),
        "severities": severity_maps(held, best),
        "exemplars": exemplars(held, best),
    }
    if BOTTLENECK in held.blocks:
        figures["bottleneck"] = bottleneck_maps(held, settings.shown)
    if held.learnt:
        figures["autoencoder-course"] = autoencoder_courses(held)
        figures["autoencoder-samples"] = autoencoder_samples(held)
        figures["autoencoder-epochs"] = early_and_late(held, settings.shown_code)
    return figures
