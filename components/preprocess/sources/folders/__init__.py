"""Interprets folders by their names and by where the photos are, without opening files. Import `tree` and `layout`."""
