"""Stand-in CRMs: one process that speaks the source systems' HTTP APIs."""
