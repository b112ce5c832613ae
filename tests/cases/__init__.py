"""Tables of inputs that many tests share: bad photos, hostile and harmless models, decompression bombs."""
