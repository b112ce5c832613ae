"""Interprets folders by their names and by where photos are; no file is opened. Import `tree` and `layout`."""
