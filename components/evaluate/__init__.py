"""A model bundle gets its figures, its report and its verdict."""
