// Where the page is, from the URL's fragment and back: #/jobs?status=active, #/jobs/123, #/submit/transcode.
// Filters live there, so that a link shows another person the same thing.

export function at(hash) {
  const [path, query = ""] = hash.replace(/^#\/?/, "").split("?");
  const [name = "", id = null] = path.split("/").map(decoded);
  return { name: name || "jobs", id: id || null, query: new URLSearchParams(query) };
}

/** Who types a URL may leave a "%" in it that stands for nothing. */
function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

export const isSameView = (one, other) => one.name === other.name && one.id === other.id;

export function href(name, id = null, query = {}) {
  const wanted = Object.entries(query).filter(([, value]) => value !== "" && value !== null && value !== undefined);
  const text = new URLSearchParams(wanted).toString();
  return `#/${name}${id ? `/${encodeURIComponent(id)}` : ""}${text ? `?${text}` : ""}`;
}

/** Changes of one filter replace the entry in the history: "back" leaves the page, as one expects. */
export function filter(changes) {
  const place = at(location.hash);
  const query = { ...Object.fromEntries(place.query), ...changes };
  history.replaceState(null, "", href(place.name, place.id, query));
  window.dispatchEvent(new HashChangeEvent("hashchange"));
}
