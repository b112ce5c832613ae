"""One module for each layout of the data and each format of label or picture files; see `label_files.FORMATS`."""
