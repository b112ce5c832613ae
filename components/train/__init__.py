"""A prepared data set becomes a model bundle: a network is built, trained and exported."""
