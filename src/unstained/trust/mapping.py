"""A plate's crops on a map: which embedding, which reducer, which clusters; gives tables."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field, field_validator

from unstained.errors import BadInput, BadSettings
from unstained.networks.bundle import Model
from unstained.plates.plate import FieldName, Plate
from unstained.prediction.engine import Engine
from unstained.settings import Settings
from unstained.training.autoencoding import AutoencodingSettings
from unstained.trust.clusters import Classes, Clustering, silhouette
from unstained.trust.crops import Crops, CropSettings, take_crops
from unstained.trust.embeddings import AUTOENCODERS, embed_crops, find_embedding, train_for
from unstained.trust.features import Vector
from unstained.trust.reducing import FEWEST, REDUCERS, Scale, mapped, scaled


class MapSettings(Settings):
    """How a plate's crops are embedded, brought to a map, and clustered."""

    embedding: str = Field("pooled", description="bottleneck, pooled, autoencoder-200, …, plain, together")
    reducer: str = Field("pca", description="pca, pca10; with the extra [embed]: umap, pacmap, pca50-umap, …")
    scale: Scale = Field("all", description="scaled by all crops, or by what clean ones vary by")
    clusters: Literal["hdbscan", "dbscan"] = "hdbscan"
    smallest: int = Field(10, ge=2, description="HDBSCAN's min_cluster_size, DBSCAN's min_samples")
    reach: float = Field(1.0, gt=0, description="DBSCAN's eps, in median distances to that neighbour")
    crops: CropSettings = CropSettings()
    autoencoding: AutoencodingSettings = AutoencodingSettings()

    @field_validator("embedding")
    @classmethod
    def _embedding_is_known(cls, name: str) -> str:
        return find_embedding(name)
