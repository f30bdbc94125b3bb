// The noise schedule: beta for t = 1..T and what follows from it, arrays [T + 1] indexed by t itself, as in
// `numpy_diffusion.process.schedules`.

const BETA_MAX = 0.999; // Nichol and Dhariwal 2021, section 3.2
const FAMILIES = ["linear", "cosine", "quadratic", "sigmoid"];

// beta is [T + 1], with beta[0] = 0.
function scheduleOf(beta) {
  const T = beta.length - 1;
  const alpha = beta.map((value) => 1 - value);
  const alphaBar = new Float64Array(T + 1), logSnr = new Float64Array(T + 1);
  let product = 1, logProduct = 0;
  for (let t = 0; t <= T; t++) {
    product *= alpha[t];
    logProduct += Math.log1p(-beta[t]);
    alphaBar[t] = product;
    logSnr[t] = logProduct - Math.log(-Math.expm1(logProduct)); // infinite at t = 0
  }
  return { T, beta, alpha, alphaBar, logSnr };
}

// A schedule of one of the four families.  betaStart and betaEnd are those of a chain of 1000 steps; the offset is
// cosine's s.
function scheduleOfFamily(family, T, { betaStart = 1e-4, betaEnd = 0.02, offset = 0.008 } = {}) {
  const beta = new Float64Array(T + 1);
  const scaled = (value) => (T === 1000 ? value : Math.min((value * 1000) / T, BETA_MAX));
  const [start, end] = [scaled(betaStart), scaled(betaEnd)];
  beta.set(T === 1 && family !== "cosine" ? [end] : betasOf[family](T, start, end, offset), 1);
  return scheduleOf(beta);
}

const betasOf = {
  linear: (T, start, end) => linspace(start, end, T),
  quadratic: (T, start, end) => linspace(Math.sqrt(start), Math.sqrt(end), T).map((root) => root ** 2),
  sigmoid: (T, start, end) => linspace(-6, 6, T).map((u) => start + (end - start) / (1 + Math.exp(-u))),
  cosine: (T, start, end, offset) => {
    const f = (t) => Math.cos((((t / T + offset) / (1 + offset)) * Math.PI) / 2) ** 2;
    return Float64Array.from({ length: T }, (_, k) => Math.min(1 - f(k + 1) / f(k), BETA_MAX));
  },
};

function linspace(start, end, n) {
  const step = (end - start) / (n - 1);
  return Float64Array.from({ length: n }, (_, k) => (k === n - 1 ? end : start + k * step));
}

// Of each step of `schedule` the step of `own` whose log-SNR is nearest: where a network that was trained with `own`
// has seen this much noise.
function stepsOfEqualNoise(schedule, own) {
  const steps = new Int32Array(schedule.T + 1);
  for (let t = 1, u = 1; t <= schedule.T; t++) {
    while (u < own.T && (own.logSnr[u] + own.logSnr[u + 1]) / 2 > schedule.logSnr[t]) u++;
    steps[t] = u;
  }
  return steps;
}
