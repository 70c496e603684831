"""Time and money of training and labelling: here, on cloud machines, and beside staining at the bench."""
