"""The bundle: what to sync. Not visible to the API server and the triggerer."""
