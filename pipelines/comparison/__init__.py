"""`darkroom compare`: trains several models on one data set, measures them on the same photos, and ranks them."""
