"""Files that the tasks of a run share by name, in a folder or an object store: see `shared_store`."""
