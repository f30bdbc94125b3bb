// The exact answer: E[eps | x_t] of data that is a mixture of Gaussians N(means[k], covariances[k]), or of finitely
// many points, whose covariances are zero (`numpy_diffusion.oracles`).  Then x_t is a mixture too, of
//     N(sqrt(alpha_bar) means[k], S_k),  S_k = alpha_bar covariances[k] + (1 - alpha_bar) I,
// and eps* = -sqrt(1 - alpha_bar) grad log q(x_t)
//          = sqrt(1 - alpha_bar) sum_k r_k S_k^-1 (x_t - sqrt(alpha_bar) means[k]),
// with r_k the probability of component k given x_t.

const NEGLIGIBLE = 40; // exp(-40) is below the rounding of a double

// `means` is [2 K], `covariances` [3 K] with xx, xy and yy of each, or null where all are zero, `logWeights` [K].
// Gives exactEps(x, alphaBar, eps), for x and eps [2 n].
function mixture({ means, covariances, logWeights }) {
  const K = logWeights.length;
  const centre = new Float64Array(2 * K), inverse = new Float64Array(3 * K);
  const logScale = new Float64Array(K), logDensity = new Float64Array(K);
  let known = NaN; // the alpha_bar of these

  function prepare(alphaBar) {
    const signal = Math.sqrt(alphaBar), noise = 1 - alphaBar;
    for (let k = 0; k < K; k++) {
      const [xx, xy, yy] = covariances === null ? [0, 0, 0] : covariances.subarray(3 * k, 3 * k + 3);
      const [sxx, sxy, syy] = [alphaBar * xx + noise, alphaBar * xy, alphaBar * yy + noise];
      const determinant = sxx * syy - sxy * sxy;
      inverse.set([syy / determinant, -sxy / determinant, sxx / determinant], 3 * k);
      logScale[k] = logWeights[k] - 0.5 * Math.log(determinant);
      centre[2 * k] = signal * means[2 * k];
      centre[2 * k + 1] = signal * means[2 * k + 1];
    }
    known = alphaBar;
  }

  return function exactEps(x, alphaBar, eps) {
    if (alphaBar !== known) prepare(alphaBar);
    const sigma = Math.sqrt(1 - alphaBar);
    for (let i = 0; i < x.length; i += 2) {
      let largest = -Infinity;
      for (let k = 0; k < K; k++) {
        const dx = x[i] - centre[2 * k], dy = x[i + 1] - centre[2 * k + 1];
        const distance = inverse[3 * k] * dx * dx + 2 * inverse[3 * k + 1] * dx * dy + inverse[3 * k + 2] * dy * dy;
        logDensity[k] = logScale[k] - 0.5 * distance;
        if (logDensity[k] > largest) largest = logDensity[k];
      }
      let total = 0, sumX = 0, sumY = 0;
      for (let k = 0; k < K; k++) {
        if (logDensity[k] < largest - NEGLIGIBLE) continue;
        const share = Math.exp(logDensity[k] - largest);
        const dx = x[i] - centre[2 * k], dy = x[i + 1] - centre[2 * k + 1];
        total += share;
        sumX += share * (inverse[3 * k] * dx + inverse[3 * k + 1] * dy);
        sumY += share * (inverse[3 * k + 1] * dx + inverse[3 * k + 2] * dy);
      }
      eps[i] = (sigma * sumX) / total;
      eps[i + 1] = (sigma * sumY) / total;
    }
  };
}

// Finitely many points [2 K], each as likely as any other.
function finiteData(points) {
  return mixture({ means: points, covariances: null, logWeights: new Float64Array(points.length / 2) });
}
