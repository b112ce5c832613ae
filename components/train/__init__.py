"""The train step: builds, trains and exports a network from a prepared data set, as a model bundle."""
