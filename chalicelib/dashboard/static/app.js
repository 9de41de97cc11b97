// Begins everything: who asks, which page the URL names, and what is around the pages.

import { get, remove, session } from "./api.js";
import { h, replace } from "./dom.js";
import { keysButton, onKey } from "./keys.js";
import { begin as beginLive, end, follow, live } from "./live.js";
import { complain } from "./notices.js";
import { signIn } from "./page_signin.js";
import { PAGES } from "./pages.js";
import * as reading from "./reading.js";
import { at, isSameView } from "./router.js";
import { me } from "./store.js";
import { themeSwitch } from "./themes.js";

const content = document.getElementById("content");
const banner = document.getElementById("banner");
let shown = null;

async function start() {
  window.addEventListener("hashchange", route);
  document.addEventListener("keydown", (event) => onKey(event, content));
  document.querySelector(".skip").addEventListener("click", skip);
  live.addEventListener("down", () => tell("The farm does not answer. What you see may be old; trying again…"));
  live.addEventListener("up", () => tell(null));
  // Whoever may not read hears so from both; begun together, one answer less is waited for.
  const begun = beginLive();
  try {
    Object.assign(me, await get("/session"));
    session.onSignedOut = () => askForToken();
  } catch (error) {
    tell(`${error.message} Reload the page to try again.`);
    return;
  }
  drawSession();
  if (!me.scopes.length) askForToken();
  else begin(begun);
}

async function begin(begun) {
  await begun;
  route();
  follow();
}

function askForToken() {
  // Calls that were under way say so too, one after the other: what is typed into the form by then stays.
  if (document.body.classList.contains("signed-out")) return;
  leave();
  end();
  document.body.classList.add("signed-out");
  me.scopes = [];
  drawSession();
  // A new start is the surest way to show nothing that the next person may not see.
  signIn(content, () => location.reload());
}

function route() {
  if (!me.scopes.length) return;
  const place = at(location.hash);
  const stays = shown && (shown.page.isFor?.(place) ?? isSameView(shown.place, place));
  if (stays && shown.page.update) {
    shown.place = place;
    reading.opened(content);
    shown.page.update(place);
    return;
  }
  const isFirst = shown === null;
  leave();
  document.querySelector("dialog")?.close(); // what it asks concerns the page before
  reading.opened(content);
  const known = Object.hasOwn(PAGES, place.name) ? PAGES[place.name] : PAGES.jobs;
  const page = known.open(place);
  shown = { place, page };
  replace(content, page.element);
  content.scrollTop = 0;
  document.title = `${known.title} · Millrace`;
  content.setAttribute("aria-label", known.title); // told to whoever cannot see that another page has come
  for (const link of document.querySelectorAll("nav [data-page]")) {
    if (link.dataset.page === known.tab) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  page.opened?.();
  // Who came by keyboard goes on from here; what was clicked is gone with the page before, or far above.
  if (!isFirst) content.focus({ preventScroll: true });
}

function leave() {
  shown?.page.close?.();
  shown = null;
}

function drawSession() {
  const out = async () => {
    await remove("/session").catch(complain);
    location.reload();
  };
  const isIn = me.scopes.length > 0;
  const person = me.auth === "token" && isIn;
  replace(
    document.getElementById("session"),
    isIn && keysButton(),
    themeSwitch(),
    person && h("span", { class: "who", title: `May: ${me.scopes.join(", ")}` }, me.name),
    person && h("button", { class: "plain", title: `${me.name} is signed in`, onclick: out }, "Sign out"),
  );
}

function tell(text) {
  banner.hidden = text === null;
  banner.textContent = text ?? "";
}

/** As the link says, without its fragment: that would be the name of another page. */
function skip(event) {
  event.preventDefault();
  content.focus();
}

start();

