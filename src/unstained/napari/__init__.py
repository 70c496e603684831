"""The plugin for napari: a reader for predicted plates, a sample, and a widget that labels a layer."""
