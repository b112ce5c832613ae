"""One module per layout of data and format of label or picture files: see `source.READERS`, `label_files.FORMATS`."""
