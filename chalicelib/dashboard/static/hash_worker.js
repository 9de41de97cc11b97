// Digests beside the page, which stays quick meanwhile. In: { id, blob }. Out: { id, done }, and at the end { id, digest }
// or { id, error }.

import { sha256 } from "./sha256.js";

onmessage = async ({ data: { id, blob } }) => {
  try {
    postMessage({ id, digest: await sha256(blob, (done) => postMessage({ id, done })) });
  } catch (error) {
    postMessage({ id, error: error.message });
  }
};
