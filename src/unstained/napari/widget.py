"""The widget: choose a model, label a layer; layers come back, and the verdict in the status bar."""

from typing import TYPE_CHECKING, Any

from magicgui import magic_factory
from napari.layers import Layer
from napari.qt.threading import create_worker
from napari.utils.notifications import show_error, show_info

from unstained.errors import BadInput, UnstainedError
from unstained.napari.labelling import Labelled, label_plane, pixel_size_of, shown_plane
from unstained.networks.bundle import bundled_models
from unstained.prediction.labeller import load_model

if TYPE_CHECKING:
    import napari.layers
    import napari.viewer


def models(_widget: Any = None) -> list[str]:
    """Name the models that come with the package."""
    return list(bundled_models())


def begin(viewer: Any, image: Any, model: str, own_model: str = "", pixel_size_um: float = 0.0) -> Any:
    """Begin to label a layer's plane in a thread; gives the thread's worker, or None where it can't begin.

    `own_model` is the path of a model, in place of the bundled one; a pixel size of 0 is what the layer says.
    """
    try:
        if getattr(image, "rgb", False):
            raise BadInput(f"{image.name} is in colour; take one channel of it")
        size_um = pixel_size_um or pixel_size_of(image.scale, image.units)
        data = image.data[0] if image.multiscale else image.data
        plane = shown_plane(data, image.world_to_data(viewer.dims.point[-image.ndim :]))
    except UnstainedError as error:
        show_error(str(error))
        return None
    where = {
        "scale": image.scale[-2:], "translate": image.translate[-2:], "units": image.units[-2:],
    }  # fmt: skip
    viewer.status = f"labelling {image.name} …"
    worker = create_worker(lambda: label_plane(load_model(own_model.strip() or model), plane, size_um, where))
    worker.returned.connect(lambda found: show(viewer, found))
    worker.errored.connect(lambda error: say_error(viewer, error))
    worker.start()
    return worker


def show(viewer: Any, found: Labelled) -> None:
    """Add what was made of a layer to the viewer, and say what it is worth."""
    for data, settings, kind in found.layers:
        viewer.add_layer(Layer.create(data, settings, kind))
    viewer.status = str(found)
    show_info(str(found))  # as the status goes when the mouse moves


def say_error(viewer: Any, error: Exception) -> None:
    """Say in one line what a person can put right; a bug keeps its traceback."""
    if not isinstance(error, UnstainedError):
        raise error
    viewer.status = f"error: {error}"
    show_error(str(error))


@magic_factory(  # type: ignore[untyped-decorator]
    call_button="Label",
    model={"choices": models},
    own_model={"tooltip": "path of a model of your own, in place of the one above"},
    pixel_size_um={"label": "pixel (µm)", "max": 20.0, "step": 0.005, "tooltip": "0: as the layer says"},
)
def label_layer(
    viewer: "napari.viewer.Viewer",
    image: "napari.layers.Image",
    model: str,
    own_model: str = "",
    pixel_size_um: float = 0.0,
) -> None:
    """Label the chosen layer's plane with the chosen model."""
    begin(viewer, image, model, own_model, pixel_size_um)
