"""All rows, in the order in which they stand in the tables."""

from bench.rows import archive, broker, scu

ROWS = (*archive.ROWS, *scu.ROWS, *broker.ROWS)
