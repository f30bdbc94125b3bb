"""An ancestral step that remembers how far apart the steps of its chain are."""

import numpy as np


class Step:
    def __call__(self, eps_model, x, t, s, schedule, z):
        if t == schedule.T:
            self.stride = t - s
        previous = max(t - self.stride, 0)
        now, then = schedule.alpha_bar[t], schedule.alpha_bar[previous]
        alpha = now / then
        mean = (x - (1 - alpha) / np.sqrt(1 - now) * eps_model(x, t)) / np.sqrt(alpha)
        return mean + np.sqrt(1 - alpha) * z if previous > 0 else mean


step = Step()
