"""Which way a request would go, and why: for `hilum explain`, and for the pages of administrators.

Nothing is called for it: what stands behind a mount is opened without a connection.
"""
