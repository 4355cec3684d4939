"""The walks: from a request to what is written, one file for one kind of input. `walk` is that of pictures."""
