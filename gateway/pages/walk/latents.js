// From a seed to a latent vector, exactly as services/gan/latents.py does it, so that a walk begins and ends at the
// images that the seeds themselves give (a browser test compares the two); and the way between two of them.

const MASK = (1n << 64n) - 1n;
const MULTIPLIERS = [0xd2e7470ee14c6c93n, 0xca5a826395121157n];
const WEYL = [0x9e3779b97f4a7c15n, 0xbb67ae8584caa73bn];

// Philox4x64-10 (Salmon et al. 2011): four random words of the block `counter` under the key `seed`.
function philox(counter, seed) {
  let words = [counter, 0n, 0n, 0n];
  let key = [seed, 0n];
  for (let round = 0; round < 10; round += 1) {
    const [first, second] = [MULTIPLIERS[0] * words[0], MULTIPLIERS[1] * words[2]];
    words = [(second >> 64n) ^ words[1] ^ key[0], second & MASK, (first >> 64n) ^ words[3] ^ key[1], first & MASK];
    key = key.map((part, index) => (part + WEYL[index]) & MASK);
  }
  return words;
}

// Acklam's quantile of the normal distribution: numerators and denominators, the highest power first.
const CENTRE = [
  [
    -3.969683028665376e1, 2.209460984245205e2, -2.759285104469687e2, 1.38357751867269e2, -3.066479806614716e1,
    2.506628277459239,
  ],
  [-5.447609879822406e1, 1.615858368580409e2, -1.556989798598866e2, 6.680131188771972e1, -1.328068155288572e1, 1.0],
];
const TAIL = [
  [
    -7.784894002430293e-3, -3.223964580411365e-1, -2.400758277161838, -2.549732539343734, 4.374664141464968,
    2.938163982698783,
  ],
  [0.0, 7.784695709041462e-3, 3.224671290700398e-1, 2.445134137142996, 3.754408661907416, 1.0],
];
const CENTRE_HALF_WIDTH = 0.5 - 0.02425;

const polynomial = (coefficients, x) => coefficients.reduce((value, each) => value * x + each, 0);
const ratio = ([above, below], x) => polynomial(above, x) / polynomial(below, x);

function normalQuantile(p) {
  const q = p - 0.5;
  if (Math.abs(q) <= CENTRE_HALF_WIDTH) return q * ratio(CENTRE, q * q);
  return Math.sign(q) * Math.abs(ratio(TAIL, Math.sqrt(-2 * Math.log(0.5 - Math.abs(q)))));
}

// The latent of the first image of a request with this seed.
export function latentOf(seed, dim) {
  const latent = [];
  // The first block has counter 1: numpy's generator counts before it draws.
  for (let counter = 1n; latent.length < dim; counter += 1n) {
    for (const word of philox(counter, BigInt(seed))) {
      latent.push(Math.fround(normalQuantile((Number(word >> 11n) + 0.5) * 2 ** -53)));
    }
  }
  return latent.slice(0, dim);
}

// Spherical interpolation: latents lie on a shell, and a straight line would cut through its empty inside.
export function between(start, end, share) {
  const norm = (vector) => Math.hypot(...vector);
  const dot = start.reduce((sum, value, index) => sum + value * end[index], 0);
  const angle = Math.acos(Math.min(1, Math.max(-1, dot / (norm(start) * norm(end)))));
  const [from, to] =
    Math.sin(angle) < 1e-6
      ? [1 - share, share]
      : [Math.sin((1 - share) * angle) / Math.sin(angle), Math.sin(share * angle) / Math.sin(angle)];
  return start.map((value, index) => Math.fround(from * value + to * end[index]));
}
