"""What there is to learn from: points of a spiral, an airplane and a tank (article, Figs 3-5), images, captions."""
