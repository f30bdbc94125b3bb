"""The forms of other programs: the one room that knows their file formats and their habits."""
