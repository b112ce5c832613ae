"""One module per layout of data and format of label or picture files: see `find_photos` and `label_files.FORMATS`."""
