"""Which rows are there? Add one to the table `ROWS` of the module of its group."""
