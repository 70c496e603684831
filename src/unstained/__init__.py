"""Fluorescent labels for unstained cells.

    import unstained
    model = unstained.load_model("hela-rpe1-nuclei")
    nuclei = model.predict(image, pixel_size_um=0.3)

Everything public is imported when it is first used, so `import unstained` itself is quick.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from unstained.version import __version__

if TYPE_CHECKING:
    from unstained.errors import UnstainedError, UnstainedWarning
    from unstained.measurement.objects import measure_objects
    from unstained.plates.importing import import_plate
    from unstained.plates.plate import Plate, open_plate
    from unstained.prediction.labeller import Labeller, load_model
    from unstained.prediction.plates import predict_plate
    from unstained.segmentation.nuclei import segment_nuclei

_HOMES = {
    "Labeller": "prediction.labeller",
    "Plate": "plates.plate",
    "UnstainedError": "errors",
    "UnstainedWarning": "errors",
    "import_plate": "plates.importing",
    "load_model": "prediction.labeller",
    "measure_objects": "measurement.objects",
    "open_plate": "plates.plate",
    "predict_plate": "prediction.plates",
    "segment_nuclei": "segmentation.nuclei",
}

__all__ = [
    "Labeller",
    "Plate",
    "UnstainedError",
    "UnstainedWarning",
    "__version__",
    "import_plate",
    "load_model",
    "measure_objects",
    "open_plate",
    "predict_plate",
    "segment_nuclei",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'unstained' has no attribute {name!r}")
    return getattr(import_module(f"unstained.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
