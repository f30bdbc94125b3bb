// What the page says of the chain: numbers below the picture, a warning, and all in words for who does not see it.

const GROWTH = { smooth: 10, noisy: 100 }; // of an error in one step, above which it shows
const LITTLE_SIGNAL = 1e-3; // alpha_bar
const PRIOR_KL = 0.01; // nats a dimension, above which the end of the chain is not noise

// The numbers at step t.
function tellNumbers({ alphaBar, logSnr }, t) {
  const signal = alphaBar[t] < 0.001 ? alphaBar[t].toExponential(1).replace("-", "−") : number(alphaBar[t], 3);
  element("fact-t").textContent = inWords(t);
  element("fact-signal").textContent = signal;
  element("fact-noise").textContent = number(Math.sqrt(1 - alphaBar[t]), 3);
  element("fact-snr").textContent = t === 0 ? "∞" : `${number((10 * logSnr[t]) / Math.LN10, 1)} dB`;
}

// A sentence where the chain cannot be right whatever the network knows; else nothing.
function warningOf({ alphaBar, T }, rows, { followsExact, solver }) {
  const [{ t, s }] = rows, growth = Math.sqrt(alphaBar[s] / alphaBar[t]);
  if (-0.5 * Math.log1p(-alphaBar[T]) > PRIOR_KL) {
    const end = `The forward chain does not end in noise, ᾱ at t = ${T} is ${alphaBar[T].toPrecision(2)}`;
    return `${end}; the reverse chain starts from pure noise all the same.`;
  }
  const limit = solver === "ancestral" ? GROWTH.noisy : GROWTH.smooth;
  if (followsExact || growth < limit || alphaBar[t] > LITTLE_SIGNAL) return "";
  const step = `The first step, from t = ${t} to ${s}, multiplies an error of the network`;
  return `${step} by ${inWords(Math.round(growth))}: hardly any signal is left at t = ${t}.`;
}

// A few words on the place in the chain.
function placeInWords(t, position, steps) {
  return `t = ${t}, step ${Math.round(position)} of ${steps}`;
}

// Mean and deviation of points [2 n], in the data's units, in words.
function pointsInWords(x, units) {
  const values = toData(x, units), n = x.length / 2;
  const [across, up] = [0, 1].map((axis) => momentsOf(values.filter((_, i) => i % 2 === axis)));
  const mean = `mean ${number(across.mean)} and ${number(up.mean)}`;
  return `${inWords(n)} points, ${mean}, deviation ${number(across.deviation)} and ${number(up.deviation)}`;
}

function scheduleInWords({ alphaBar, T }) {
  const half = alphaBar.findIndex((share) => share < 0.5);
  const middle = half < 0 ? "" : ` and is one half at t = ${half}`;
  return `alpha-bar falls from 1 at t = 0 to ${alphaBar[T].toPrecision(2)} at t = ${T}${middle}`;
}

// Root mean square of |eps of one model - eps of another| at points [2 n] at step t.
function differenceOf(one, other, x, t) {
  const [first, second] = [new Float32Array(x.length), new Float32Array(x.length)];
  one(x, t, first);
  other(x, t, second);
  const squares = first.reduce((sum, eps, i) => sum + (eps - second[i]) ** 2, 0);
  return Math.sqrt((2 * squares) / x.length);
}

function toData(x, { shift, scale }) {
  return Float64Array.from(x, (u, i) => shift[i % 2] + scale[i % 2] * u);
}

function momentsOf(values) {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, deviation: Math.sqrt(squares / values.length) };
}
