"""How OHIF comes here: the pinned package, fetched, checked, unpacked and laid down."""
