"""A digital twin of a plate of CHO cells: what is there is known, what a microscope sees is computed."""
