// The project's noise: Philox4x32-10 and the method of Box and Muller, the same numbers as `numpy_diffusion.noise`.
// A number is a function of (seed, stream, sample, step) and is never drawn "next".

const STREAM_JUMP = 1; // eps of x_t given x_0
const STREAM_START = 3; // x_T of the reverse chain
const STREAM_REVERSE = 4; // z of one reverse step

// The upper 32 bits of the product of two words of 32 bits, by halves of 16: a double holds 53 bits, not 64.
function upperProduct(a, b) {
  const a0 = a & 0xffff, a1 = a >>> 16, b0 = b & 0xffff, b1 = b >>> 16;
  const middle = a1 * b0 + ((a0 * b0) >>> 16);
  const carried = (middle & 0xffff) + a0 * b1;
  return (a1 * b1 + Math.floor(middle / 65536) + Math.floor(carried / 65536)) >>> 0;
}

// Four random words from four words of a counter and two of a key (Salmon et al. 2011).
function philox4x32(counter, key) {
  let [c0, c1, c2, c3] = counter;
  let [k0, k1] = key;
  for (let round = 0; round < 10; round++) {
    const high0 = upperProduct(0xd2511f53, c0), low0 = Math.imul(0xd2511f53, c0);
    const high1 = upperProduct(0xcd9e8d57, c2), low1 = Math.imul(0xcd9e8d57, c2);
    [c0, c1, c2, c3] = [high1 ^ c1 ^ k0, low1, high0 ^ c3 ^ k1, low0].map((word) => word >>> 0);
    k0 = (k0 + 0x9e3779b9) >>> 0;
    k1 = (k1 + 0xbb67ae85) >>> 0;
  }
  return [c0, c1, c2, c3];
}

// A seed of 64 bits, a BigInt, as the two words of a key.
function splitSeed(seed) {
  return [Number(seed & 0xffffffffn), Number(seed >> 32n)];
}

// Two standard normal numbers for each of n samples: Float32Array [2 n].  The seed is a BigInt.
function normal(seed, stream, n, step, first = 0) {
  const z = new Float32Array(2 * n), key = splitSeed(seed);
  for (let i = 0; i < n; i++) {
    const [word0, word1] = philox4x32([0, first + i, step, stream], key);
    const a = word0 >>> 8, b = word1 >>> 8; // 24 bits each; a + 1 keeps the logarithm finite
    const radius = Math.sqrt(-2 * Math.log((a + 1) * 2 ** -24));
    const angle = 2 * Math.PI * b * 2 ** -24;
    z[2 * i] = radius * Math.sin(angle);
    z[2 * i + 1] = radius * Math.cos(angle);
  }
  return z;
}
