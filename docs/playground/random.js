// The random numbers behind the samples: those of the Python package.
//
// A sample's number for a position depends on the seed, the problem and the
// sample's own number, nothing else. So a sample that you see here is the one
// that `rfs ask` prints for the same seed, whatever was drawn before it.
//
// Sources: RFC 7693 (BLAKE2b); Steele, Lea and Flood 2014 (SplitMix64).

const wrap = (number) => BigInt.asUintN(64, number);

/** The numbers in (0, 1) of one sample, one for each position. */
export function uniformNumbers(seed, identifier, sample, numPositions) {
  const start = blake2b64(`${seed}\0${sample}\0${identifier}`);
  return Float64Array.from({ length: numPositions }, (_, position) => {
    let state = wrap(start + BigInt(position + 1) * 0x9e3779b97f4a7c15n);
    state = wrap((state ^ (state >> 30n)) * 0xbf58476d1ce4e5b9n);
    state = wrap((state ^ (state >> 27n)) * 0x94d049bb133111ebn);
    state ^= state >> 31n;
    return (Number(state >> 41n) + 0.5) / 2 ** 23; // 23 bits of it
  });
}

const START = [
  0x6a09e667f3bcc908n, 0xbb67ae8584caa73bn, 0x3c6ef372fe94f82bn,
  0xa54ff53a5f1d36f1n, 0x510e527fade682d1n, 0x9b05688c2b3e6c1fn,
  0x1f83d9abfb41bd6bn, 0x5be0cd19137e2179n,
];
// The order in which each round takes the 16 words of a block
const ORDERS = [
  "0123456789abcdef", "ea489fd61c02b753", "b8c052fdae367194",
  "7931dcbe265a40f8", "905724afe1bc683d", "2c6a0b834d75fe19",
  "c51fed4a0763928b", "db7ec13950f4862a", "6fe9b308c2d714a5",
  "a2847615fb9e3cd0",
].map((order) => Array.from(order, (digit) => parseInt(digit, 16)));
// The columns, then the diagonals, of the 4 x 4 words that a round mixes
const QUARTERS = [
  [0, 4, 8, 12], [1, 5, 9, 13], [2, 6, 10, 14], [3, 7, 11, 15],
  [0, 5, 10, 15], [1, 6, 11, 12], [2, 7, 8, 13], [3, 4, 9, 14],
];

/** The 8-byte BLAKE2b hash of a text, as a whole number. */
export function blake2b64(text) {
  const bytes = new TextEncoder().encode(text);
  const state = [...START];
  state[0] ^= 0x01010000n ^ 8n; // no key, 8 bytes out
  const numBlocks = Math.max(1, Math.ceil(bytes.length / 128));
  for (let block = 0; block < numBlocks; block++) {
    const padded = new Uint8Array(128);
    padded.set(bytes.subarray(128 * block, 128 * (block + 1)));
    const words = new BigUint64Array(padded.buffer);
    const isLast = block + 1 === numBlocks;
    const numRead = isLast ? bytes.length : 128 * (block + 1);
    compress(state, words, BigInt(numRead), isLast);
  }
  return state[0];
}

/** Mix one block of 16 words into the state. */
function compress(state, words, numRead, isLast) {
  const v = [...state, ...START];
  v[12] ^= numRead;
  if (isLast) v[14] = wrap(~v[14]);
  for (let round = 0; round < 12; round++) {
    const order = ORDERS[round % 10];
    QUARTERS.forEach(([a, b, c, d], i) => {
      v[a] = wrap(v[a] + v[b] + words[order[2 * i]]);
      v[d] = turnRight(v[d] ^ v[a], 32n);
      v[c] = wrap(v[c] + v[d]);
      v[b] = turnRight(v[b] ^ v[c], 24n);
      v[a] = wrap(v[a] + v[b] + words[order[2 * i + 1]]);
      v[d] = turnRight(v[d] ^ v[a], 16n);
      v[c] = wrap(v[c] + v[d]);
      v[b] = turnRight(v[b] ^ v[c], 63n);
    });
  }
  for (let i = 0; i < 8; i++) state[i] ^= v[i] ^ v[i + 8];
}

const turnRight = (number, bits) =>
  wrap((number >> bits) | (number << (64n - bits)));
