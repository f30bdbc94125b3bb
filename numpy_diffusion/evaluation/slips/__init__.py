"""What goes wrong in each function of the labs: the right one above, and below it its slips, a function each."""
