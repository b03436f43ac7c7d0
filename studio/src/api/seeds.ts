/** A seed at random, from all that there are: 0 to 2^63 - 1. */
export function randomSeed(): number | bigint {
  const [high = 0, low = 0] = crypto.getRandomValues(new Uint32Array(2));
  const seed = (BigInt(high >>> 1) << 32n) | BigInt(low);
  return seed <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(seed) : seed;
}
