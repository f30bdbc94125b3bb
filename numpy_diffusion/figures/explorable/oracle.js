// The exact answer: E[eps | x_t] of data that is one of K points, each as likely as any other, as in
// `numpy_diffusion.oracles.finite_data`:
//     E[x_0 | x_t] = sum_k w_k x0_k,   w = softmax_k(-|x_t - sqrt(alpha_bar) x0_k|^2 / (2 (1 - alpha_bar)))
//     eps* = (x_t - sqrt(alpha_bar) E[x_0 | x_t]) / sqrt(1 - alpha_bar)

const NEGLIGIBLE = 40; // exp(-40) is below the rounding of a double

// Of points [2 K]: exactEps(x, alphaBar, eps), for x and eps [2 n].
function finiteData(points) {
  const K = points.length / 2, logWeights = new Float64Array(K);

  return function exactEps(x, alphaBar, eps) {
    const signal = Math.sqrt(alphaBar), sigma = Math.sqrt(1 - alphaBar), factor = -0.5 / (1 - alphaBar);
    for (let i = 0; i < x.length; i += 2) {
      let largest = -Infinity;
      for (let k = 0; k < K; k++) {
        const across = x[i] - signal * points[2 * k], up = x[i + 1] - signal * points[2 * k + 1];
        logWeights[k] = factor * (across * across + up * up);
        if (logWeights[k] > largest) largest = logWeights[k];
      }
      let total = 0, sumAcross = 0, sumUp = 0;
      for (let k = 0; k < K; k++) {
        if (logWeights[k] < largest - NEGLIGIBLE) continue;
        const weight = Math.exp(logWeights[k] - largest);
        total += weight;
        sumAcross += weight * points[2 * k];
        sumUp += weight * points[2 * k + 1];
      }
      eps[i] = (x[i] - (signal * sumAcross) / total) / sigma;
      eps[i + 1] = (x[i + 1] - (signal * sumUp) / total) / sigma;
    }
  };
}
