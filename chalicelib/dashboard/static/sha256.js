// SHA-256 of a file of any size, in parts (FIPS 180-4). The browser's own is faster, but wants all bytes at once, and is
// missing on pages that came by plain HTTP from another machine.

const PART_BYTES = 4 << 20;
const MOST_AT_ONCE_BYTES = 256e6;

/** Gives the digest as hex. onProgress(bytes done). */
export async function sha256(file, onProgress = () => {}) {
  if (globalThis.crypto?.subtle && file.size <= MOST_AT_ONCE_BYTES) {
    const digest = await crypto.subtle.digest("SHA-256", await file.arrayBuffer());
    onProgress(file.size);
    return hex(new Uint8Array(digest));
  }
  const state = new Sha256();
  for (let from = 0; from < file.size; from += PART_BYTES) {
    state.update(new Uint8Array(await file.slice(from, from + PART_BYTES).arrayBuffer()));
    onProgress(Math.min(file.size, from + PART_BYTES));
  }
  return hex(state.digest());
}

const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

/** The first bits of the fractional parts of roots of the first primes. */
function fractions(count, root) {
  const found = [];
  for (let n = 2; found.length < count; n += 1) {
    let isPrime = true;
    for (let d = 2; d * d <= n; d += 1) if (n % d === 0) isPrime = false;
    if (isPrime) found.push(((root(n) % 1) * 2 ** 32) | 0);
  }
  return found;
}

const K = new Int32Array(fractions(64, Math.cbrt));

export class Sha256 {
  constructor() {
    this.h = new Int32Array(fractions(8, Math.sqrt));
    this.block = new Uint8Array(64);
    this.filled = 0;
    this.bytes = 0;
    this.w = new Int32Array(64);
  }

  update(data) {
    this.bytes += data.length;
    let from = 0;
    if (this.filled) {
      from = Math.min(64 - this.filled, data.length);
      this.block.set(data.subarray(0, from), this.filled);
      this.filled += from;
      if (this.filled < 64) return;
      this.compress(this.block, 0);
    }
    for (; from + 64 <= data.length; from += 64) this.compress(data, from);
    this.filled = data.length - from;
    this.block.set(data.subarray(from));
  }

  digest() {
    const bytes = this.bytes;
    const padding = new Uint8Array(((119 - (bytes % 64)) % 64) + 9);
    padding[0] = 0x80;
    const view = new DataView(padding.buffer);
    view.setUint32(padding.length - 8, Math.floor(bytes / 2 ** 29));
    view.setUint32(padding.length - 4, bytes * 8);
    this.update(padding);
    const out = new DataView(new ArrayBuffer(32));
    this.h.forEach((word, index) => out.setInt32(index * 4, word));
    return new Uint8Array(out.buffer);
  }

  compress(data, at) {
    const { w } = this;
    for (let i = 0; i < 16; i += 1, at += 4) {
      w[i] = (data[at] << 24) | (data[at + 1] << 16) | (data[at + 2] << 8) | data[at + 3];
    }
    for (let i = 16; i < 64; i += 1) {
      const [x, y] = [w[i - 15], w[i - 2]];
      const s0 = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3);
      const s1 = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10);
      w[i] = (w[i - 16] + s0 + w[i - 7] + s1) | 0;
    }
    let [a, b, c, d, e, f, g, h] = this.h;
    for (let i = 0; i < 64; i += 1) {
      const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
      const t1 = (h + s1 + ((e & f) ^ (~e & g)) + K[i] + w[i]) | 0;
      const s0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
      const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
      [h, g, f, e, d, c, b, a] = [g, f, e, (d + t1) | 0, c, b, a, (t1 + t2) | 0];
    }
    [a, b, c, d, e, f, g, h].forEach((word, index) => (this.h[index] += word));
  }
}
