"""One module per layout of data and format of label or picture files; see `label_files.FORMATS`."""
