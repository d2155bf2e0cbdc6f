"""Methods computed from the scores of a masked image or of an ablated activation."""
