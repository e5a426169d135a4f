"""Several processes that serve together: who starts them, and what each is told."""
