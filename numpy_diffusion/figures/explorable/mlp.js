// The trained network: the multilayer perceptron of `numpy_diffusion.networks.mlp.definition`,
//     h_0 = silu(W_in [features(x), embedding(t)] + b_in)
//     h_l = silu(W_l h_{l-1} + b_l)  (+ h_{l-1} where residual),   l = 1..depth
//     eps = W_out h_depth + b_out
// Sums are in double precision; what decides the features, and Python rounds to float32, is rounded here too.

const LANES = 4; // points at a time: four sums that do not wait for each other
const PERIOD = 8; // of the longest wave
const MAX_PERIOD = 10000; // of the embedding

// `layers` are { rows, columns, weight [rows * columns], bias [rows] }, input first and output last.
// Gives model(x, t, eps), for x and eps [2 n].
function perceptron({ octaves, embedding, residual, layers }) {
  const [input, output] = [layers[0], layers[layers.length - 1]];
  const hidden = layers.slice(1, -1), width = input.rows, features = input.columns - embedding;
  const waves = new Float64Array(features * LANES);
  const [y, h, eps] = [width, width, 2].map((size) => new Float64Array(size * LANES));
  const embedded = new Float64Array(width); // the input layer's bias, and what t adds to it

  return function model(x, t, answers) {
    embed(input, features, embedding, t, embedded);
    for (let first = 0; first < x.length / 2; first += LANES) {
      const count = Math.min(LANES, x.length / 2 - first);
      for (let lane = 0; lane < count; lane++) {
        featuresOf(x[2 * (first + lane)], x[2 * (first + lane) + 1], octaves, waves, lane);
      }
      linear(input, features, embedded, waves, y);
      silu(y, h, false);
      for (const layer of hidden) {
        linear(layer, width, layer.bias, h, y);
        silu(y, h, residual);
      }
      linear(output, width, output.bias, h, eps);
      for (let lane = 0; lane < count; lane++) {
        answers[2 * (first + lane)] = eps[lane];
        answers[2 * (first + lane) + 1] = eps[LANES + lane];
      }
    }
  };
}

// [x, sin(w_0 u), cos(w_0 u), sin(w_1 u), ...] of a point, u along axes and diagonals, as one lane of `waves`.
function featuresOf(x0, x1, octaves, waves, lane) {
  const round = Math.fround, diagonal = round(1 / Math.sqrt(2));
  const [d0, d1] = [round(diagonal * x0), round(diagonal * x1)];
  const along = [x0, round(d0 + d1), round(d0 - d1), x1];
  waves[lane] = x0;
  waves[LANES + lane] = x1;
  for (let octave = 0, place = 2; octave < octaves; octave++, place += 8) {
    const frequency = round(((2 * Math.PI) / PERIOD) * 2 ** octave);
    for (let k = 0; k < 4; k++) {
      const angle = round(along[k] * frequency);
      waves[(place + k) * LANES + lane] = Math.sin(angle);
      waves[(place + 4 + k) * LANES + lane] = Math.cos(angle);
    }
  }
}

// bias + W embedding(t), with W the input layer's columns behind its features: the same for all points.
function embed({ rows, columns, weight, bias }, features, embedding, t, sums) {
  const half = embedding / 2;
  for (let row = 0; row < rows; row++) {
    let sum = bias[row];
    for (let k = 0; k < half; k++) {
      const angle = t * Math.exp((-Math.log(MAX_PERIOD) * k) / Math.max(half - 1, 1));
      sum += weight[row * columns + features + k] * Math.fround(Math.sin(angle));
      sum += weight[row * columns + features + half + k] * Math.fround(Math.cos(angle));
    }
    sums[row] = sum;
  }
}

// y = W h + bias over the first `used` columns of W.
function linear({ rows, columns, weight }, used, bias, h, y) {
  for (let row = 0; row < rows; row++) {
    let s0 = bias[row], s1 = s0, s2 = s0, s3 = s0;
    for (let k = 0, w = row * columns, i = 0; k < used; k++, w++, i += LANES) {
      const value = weight[w];
      s0 += value * h[i];
      s1 += value * h[i + 1];
      s2 += value * h[i + 2];
      s3 += value * h[i + 3];
    }
    y[row * LANES] = s0;
    y[row * LANES + 1] = s1;
    y[row * LANES + 2] = s2;
    y[row * LANES + 3] = s3;
  }
}

// h = silu(y), or h + silu(y).
function silu(y, h, added) {
  for (let i = 0; i < y.length; i++) {
    const value = y[i] / (1 + Math.exp(-y[i]));
    h[i] = added ? h[i] + value : value;
  }
}
