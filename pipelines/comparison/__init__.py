"""`darkroom compare`: several models of one data set, trained, measured on the same photos and ranked."""
