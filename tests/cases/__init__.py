"""Tables of inputs that many tests share: bad photos, hostile and honest models, decoding bombs."""
