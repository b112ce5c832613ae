"""The folders that steps pass to each other: data set, study, bundle, evaluation, bento."""
