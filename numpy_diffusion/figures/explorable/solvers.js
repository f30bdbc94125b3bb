// The solvers as tables, as in `numpy_diffusion.sampling.solvers`: a row goes from t to s by
//     d0 = p x + q eps(x, t)             eps itself, or the x_0 that eps stands for
//     x  = a x + b0 d0 + b1 d1 + c z     d1 is the d0 of the row before

// So many steps from T down, evenly spaced, and where each goes: pairs [t, s].
function evenPairs(T, number) {
  const steps = Array.from({ length: number }, (_, k) => roundHalfEven((number - k) * (T / number)));
  return steps.map((t, k) => [t, k + 1 < number ? steps[k + 1] : 0]);
}

function roundHalfEven(value) {
  const below = Math.floor(value);
  if (value - below !== 0.5) return Math.round(value);
  return below % 2 === 0 ? below : below + 1;
}

// alpha_ts and beta_ts of the step from s to t: the schedule's own to the bit where s = t - 1.
function skipped(schedule, t, s) {
  if (s === t - 1) return [schedule.alpha[t], schedule.beta[t]];
  const alpha = schedule.alphaBar[t] / schedule.alphaBar[s];
  return [alpha, 1 - alpha];
}

const SOLVERS = {
  // Algorithm 1 of the article (Ho et al. 2020, Algorithm 2), with sigma_t^2 = beta_t or beta_tilde_t.
  ancestral: (schedule, pairs, variance) =>
    pairs.map(([t, s]) => {
      const [alpha, beta] = skipped(schedule, t, s);
      const noise = 1 - schedule.alphaBar[t];
      const a = 1 / Math.sqrt(alpha), b0 = (-a * beta) / Math.sqrt(noise);
      const squared = variance === "beta" ? beta : (beta * (1 - schedule.alphaBar[s])) / noise;
      return { t, s, p: 0, q: 1, a, b0, b1: 0, c: s > 0 ? Math.sqrt(squared) : 0 };
    }),

  // DDIM without noise (Song et al. 2021, eq 12 with eta = 0).
  ddim: (schedule, pairs) =>
    pairs.map(([t, s]) => {
      const a = 1 / Math.sqrt(skipped(schedule, t, s)[0]);
      const b0 = Math.sqrt(1 - schedule.alphaBar[s]) - a * Math.sqrt(1 - schedule.alphaBar[t]);
      return { t, s, p: 0, q: 1, a, b0, b1: 0, c: 0 };
    }),

  // DPM-Solver++(2M), in x_0 and of two steps (Lu et al. 2022, Algorithm 2).
  "dpm++2m": (schedule, pairs) => {
    let last = Infinity; // the step of half the log-SNR before this one
    return pairs.map(([t, s]) => {
      const signalT = Math.sqrt(schedule.alphaBar[t]), signalS = Math.sqrt(schedule.alphaBar[s]);
      const sigmaT = Math.sqrt(1 - schedule.alphaBar[t]), sigmaS = Math.sqrt(1 - schedule.alphaBar[s]);
      const h = 0.5 * (schedule.logSnr[s] - schedule.logSnr[t]);
      const psi = -Math.expm1(-h), more = (s > 0 ? h : 0) / (2 * last);
      last = h;
      const b0 = signalS * psi * (1 + more), b1 = signalS * -psi * more;
      return { t, s, p: 1 / signalT, q: -sigmaT / signalT, a: sigmaS / sigmaT, b0, b1, c: 0 };
    });
  },
};

// The rows of a chain of so many steps.
function tableOf(solver, schedule, steps, variance) {
  return SOLVERS[solver](schedule, evenPairs(schedule.T, steps), variance);
}
