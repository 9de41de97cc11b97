// A file becomes a blob: digest, announcement, and one signed request that carries the bytes around the manager.

import { post, Problem } from "./api.js";
import { sha256 } from "./sha256.js";

/** Gives the blob's id. onProgress(text, share from 0 to 1). Content that the farm knows is not sent again. */
export async function upload(file, onProgress) {
  const share = (done) => (file.size ? done / file.size : 1);
  onProgress("reading", 0);
  const digest = await sha256(file, (done) => onProgress("reading", share(done)));
  const { id, upload: signed } = await post("/blobs", { size: file.size, sha256: digest });
  if (signed) await send(signed, file, (done) => onProgress("uploading", share(done)));
  onProgress("stored", 1);
  return id;
}

/** XMLHttpRequest, because fetch does not tell how far an upload is. Browsers set the length themselves. */
function send({ method, url, headers }, file, onProgress) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open(method, url);
    for (const [name, value] of Object.entries(headers)) {
      if (name.toLowerCase() !== "content-length") request.setRequestHeader(name, value);
    }
    request.upload.onprogress = (event) => onProgress(event.loaded);
    request.onload = () => (request.status < 300 ? resolve() : reject(new Problem(`${file.name} was not accepted: ${said(request)}`, request.status)));
    request.onerror = () => reject(new Problem(`${file.name} could not be sent: the connection broke off.`));
    request.send(file);
  });
}

function said(request) {
  try {
    return JSON.parse(request.responseText).message;
  } catch {
    return `status ${request.status}`;
  }
}
