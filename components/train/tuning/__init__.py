"""The Optuna search: trials, their cost, storage, the study's page. Import `search`."""
