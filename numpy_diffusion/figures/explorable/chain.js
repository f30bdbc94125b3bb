// The one loop of all solvers, down a table of `solvers.js` from noise, with the same rounding to float32 as
// `numpy_diffusion.sampling.chain`.

// Yields x [2 n] after each row, a new array each time.  `model(x, t, eps)` writes eps [2 n].
function* chainOf(model, rows, n, seed) {
  const round = Math.fround;
  let x = normal(seed, STREAM_START, n, 0), before = new Float32Array(2 * n);
  yield x;
  for (const { t, s, ...row } of rows) {
    const [p, q, a, b0, b1, c] = [row.p, row.q, row.a, row.b0, row.b1, row.c].map(round);
    const prediction = new Float32Array(2 * n), next = new Float32Array(2 * n);
    model(x, t, prediction);
    if (p !== 0) prediction.forEach((eps, i) => (prediction[i] = round(p * x[i]) + round(q * eps)));
    for (let i = 0; i < 2 * n; i++) next[i] = round(a * x[i]) + round(b0 * prediction[i]);
    if (b1 !== 0) before.forEach((d1, i) => (next[i] += round(b1 * d1)));
    if (c !== 0) normal(seed, STREAM_REVERSE, n, t).forEach((z, i) => (next[i] += round(c * z)));
    [x, before] = [next, prediction];
    yield x;
  }
}
