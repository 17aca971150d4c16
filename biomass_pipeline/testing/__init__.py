"""For those who test assets of their own on top of ours: stores in memory, fakes, tiny surveys."""
