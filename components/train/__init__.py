"""The train step: builds a network, trains it on a prepared data set, and exports it as a model bundle."""
