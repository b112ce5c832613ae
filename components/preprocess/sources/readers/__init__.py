"""One module per layout, kind of label file and picture file. Import `layouts` or the module itself."""
