"""What the tasks of a run make for each other: files by name, in a folder or an object store. Import `shared_store`."""
