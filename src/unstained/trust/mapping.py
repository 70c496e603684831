"""A plate's crops on a map: which embedding, which reducer, which clusters; gives tables."""

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field, field_validator

from unstained.networks.bundle import Model
from unstained.plates.plate import Plate
from unstained.prediction.engine import Engine
from unstained.settings import Settings
from unstained.training.autoencoding import AutoencodingSettings
from unstained.trust.clusters import Clustering, silhouette
from unstained.trust.crops import Crops, CropSettings, take_crops
from unstained.trust.embeddings import AUTOENCODERS, embed_crops, find_embedding, train_for
from unstained.trust.examples import CLEAN
from unstained.trust.features import Vector
from unstained.trust.reducing import Scale, find_reducer, mapped, need_packages, scaled

OF_CROPS = ("well", "plate", "field", "top_px", "left_px", "side_px", "kind", "severity", "strength",
            "saturated", "confluence", "x", "y", "cluster")  # fmt: skip
"""Columns that aren't conditions of a well."""


class MapSettings(Settings):
    """How a plate's crops are embedded, brought to a map, and clustered."""

    embedding: str = Field("pooled", description="bottleneck, pooled, autoencoder-200, …, plain, together")
    reducer: str = Field("pca", description="pca, pca10; with the extra [embed]: umap, pacmap, pca50-umap, …")
    scale: Scale = Field("all", description="scaled by all crops, or by what clean ones vary by")
    clusters: Literal["hdbscan", "dbscan"] = "hdbscan"
    smallest: int = Field(10, ge=2, description="HDBSCAN's min_cluster_size, DBSCAN's min_samples")
    reach: float = Field(1.0, gt=0, description="DBSCAN's eps, in median distances to that neighbour")
    fields: tuple[str, ...] | None = Field(None, description="wells or fields; None = all")
    input_channel: str | None = Field(None, description="read in place of the model's own")
    device: str = "cpu"
    crops: CropSettings = CropSettings()
    autoencoding: AutoencodingSettings = AutoencodingSettings()

    @field_validator("embedding")
    @classmethod
    def _embedding_is_known(cls, name: str) -> str:
        return find_embedding(name)

    @field_validator("reducer")
    @classmethod
    def _reducer_is_known(cls, name: str) -> str:
        return find_reducer(name)


class MappedCrops(NamedTuple):
    """A plate's crops on a map.

    Attributes
    ----------
    table
        One row a crop: what is known of it and of its well, its place `x`, `y`, and its `cluster` (−1: none).
    points
        One row a crop, `well, field, top_px, left_px, kind, severity` and its point in the embedding, scaled.
    pictures
        (N Y X), small.
    silhouettes
        Of corrupted crops against clean ones, and of wells and their conditions among clean crops, each in
        the embedding itself; None where there is one class.
    """

    table: pd.DataFrame
    points: pd.DataFrame
    pictures: NDArray[np.uint8]
    silhouettes: dict[str, float | None]


def map_crops(
    model: Model,
    plate: Plate,
    settings: MapSettings,
    tell: Callable[[int, int], None] = lambda _done, _all: None,
) -> MappedCrops:
    """Embed crops of a plate's fields, bring them to a map, and find clusters on it.

    Raises
    ------
    BadInput
        There are too few crops, or a field can't be used.
    MissingExtra
        The map needs umap-learn or pacmap.
    """
    need_packages(settings.reducer)  # before any work
    with tempfile.TemporaryDirectory(prefix="unstained-embed-", ignore_cleanup_errors=True) as scratch:
        fields = plate.fields if settings.fields is None else plate.select(settings.fields)
        card = model.card.model_copy(update={"input": settings.input_channel or model.card.input})
        engine = Engine(replace(model, card=card), device=settings.device)
        crops = take_crops(engine, plate, fields, settings.crops, Path(scratch), tell)
        every = np.ones(len(crops.seen), dtype=bool)
        name, on, learnt = settings.embedding, str(engine.device), {}
        if name in AUTOENCODERS:
            learnt[name] = train_for(name, crops, every, settings.autoencoding, device=on)
        blocks = embed_crops([name], crops, every, model.network, learnt, on)[name]
    places = mapped(blocks, crops.clean, every, settings.reducer, settings.scale, settings.crops.seed)
    points = scaled(blocks, crops.clean, every, settings.scale)
    clustering = Clustering(settings.clusters, settings.smallest, settings.reach)
    table = _described(plate, crops)
    table[["x", "y"]] = places[:, :2]
    table["cluster"] = clustering.find(places).labels
    return MappedCrops(table, _points(crops, points), crops.pictures, _silhouettes(table, points))


def _described(plate: Plate, crops: Crops) -> pd.DataFrame:
    """Give what is known of every crop and of its well."""
    table = crops.table.assign(plate=plate.name)
    known = plate.conditions
    known = known[["well", *(name for name in known if name not in OF_CROPS)]]
    return table.merge(known, on="well", how="left") if len(known.columns) > 1 else table


def _points(crops: Crops, points: Vector) -> pd.DataFrame:
    own = crops.table[["well", "field", "top_px", "left_px", "kind", "severity"]]
    names = [f"component_{index}" for index in range(points.shape[1])]
    return pd.concat([own, pd.DataFrame(points.astype(np.float32), columns=names)], axis=1)


def _silhouettes(table: pd.DataFrame, points: Vector) -> dict[str, float | None]:
    clean = np.asarray(table["kind"] == CLEAN)
    found = {"corrupted": silhouette(points, clean)}
    thirds = pd.cut(table["confluence"].rank(pct=True), 3, labels=False)
    for name, values in {"well": table["well"], "confluence": thirds, **_classes(table)}.items():
        found[name] = silhouette(points[clean], np.asarray(values.astype(str))[clean])
    return found


def _classes(table: pd.DataFrame) -> dict[str, "pd.Series[Any]"]:
    """Give the conditions of the wells that don't name each well by itself."""
    wells = table["well"].nunique()
    own = [name for name in table.columns if name not in OF_CROPS]
    return {name: table[name] for name in own if 1 < table[name].nunique() < wells}
