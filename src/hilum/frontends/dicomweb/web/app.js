// The page: which mount, which view, the keys, and files that are dropped.

import { loggedIn, toLogin } from "./dicom.js";
import { element, note } from "./html.js";
import { instance } from "./instance.js";
import { series, study } from "./study.js";
import { studies } from "./studies.js";
import { dropped, store } from "./upload.js";

const main = document.getElementById("main");
const chooser = document.getElementById("mount");
const files = document.getElementById("files");
const drop = document.getElementById("drop");

let running = new AbortController();
let viewer = null;

function place() {
  const [where, query = ""] = location.hash.replace(/^#\/?/, "").split("?");
  const [mount = "", ...uids] = where.split("/").filter(Boolean).map(decodeURIComponent);
  return { mount: mount || chooser.value, uids, wanted: new URLSearchParams(query) };
}

async function go() {
  running.abort();
  running = new AbortController();
  const { signal } = running;
  const { mount, uids, wanted } = place();
  if (!mount) { main.replaceChildren(element("p", {}, "No mount is configured.")); return; }
  chooser.value = mount;
  note("");
  try {
    if (!uids.length) await studies(mount, wanted, signal);
    else if (uids.length === 1) await study(mount, uids[0], { viewer }, signal);
    else if (uids.length === 2) await series(mount, ...uids, signal);
    else await instance(mount, ...uids.slice(0, 3), signal);
    health(mount, signal);
  } catch (error) {
    if (signal.aborted) return;
    main.replaceChildren(element("p", { class: "bad" }, error.message),
      element("p", {}, element("a", { href: `#/${encodeURIComponent(mount)}` }, "Back to the studies")));
  }
}

async function health(mount, signal) {
  const box = document.getElementById("health");
  try {
    const said = await (await fetch(`aets/${encodeURIComponent(mount)}`, { signal })).json();
    box.className = said.status === "unhealthy" ? "bad" : "dim";
    box.textContent = said.status === "unhealthy" ? `not reachable: ${said.error ?? ""}` : said.backend ?? "";
  } catch { /* the views tell what is wrong */ }
}

function take(chosen) {
  if (chosen.length) store(place().mount, chosen, go).catch((error) => note(error.message));
}

document.querySelector(".skip").addEventListener("click", (event) => { event.preventDefault(); main.focus(); });
chooser.addEventListener("change", () => { location.hash = `/${encodeURIComponent(chooser.value)}`; });
document.getElementById("store").addEventListener("click", () => files.click());
files.addEventListener("change", () => { take([...files.files]); files.value = ""; });

let within = 0; // elements that the dragged files have entered and not left
addEventListener("dragenter", (event) => { event.preventDefault(); within += 1; drop.hidden = false; });
addEventListener("dragleave", () => { within = Math.max(within - 1, 0); drop.hidden = !within; });
addEventListener("dragover", (event) => event.preventDefault());
addEventListener("drop", async (event) => {
  event.preventDefault();
  within = 0;
  drop.hidden = true;
  take(await dropped(event.dataTransfer));
});

addEventListener("keydown", (event) => {
  if (event.altKey || event.ctrlKey || event.metaKey || event.target.closest("input, select, textarea")) return;
  const rows = [...document.querySelectorAll("tr[data-href] a, a.card")];
  const at = rows.indexOf(document.activeElement);
  const frame = document.getElementById("frame");
  const step = (by) => {
    if (frame) { frame.stepUp(by); frame.dispatchEvent(new Event("input")); }
    else if (rows.length) rows[Math.min(Math.max(at + by, 0), rows.length - 1)].focus();
    else return false;
    return true;
  };
  const keys = {
    "/": () => { const first = document.querySelector("form.search input"); first?.focus(); return Boolean(first); },
    ArrowDown: () => step(1),
    ArrowUp: () => step(-1),
    ArrowRight: () => { const next = document.getElementById("next"); next?.click(); return Boolean(next) || step(1); },
    ArrowLeft: () => { const previous = document.getElementById("previous"); previous?.click(); return Boolean(previous) || step(-1); },
    Escape: () => { const up = document.querySelector("main > p > a"); up?.click(); return Boolean(up); },
  };
  if (keys[event.key]?.()) event.preventDefault();
});

async function start() {
  const box = document.getElementById("who");
  const who = await loggedIn();
  box.hidden = !who.logins;
  box.textContent = who.name ? `Log out ${who.name}` : "Log in";
  const answer = await fetch("aets");
  if (answer.status === 401) { toLogin(); return; }
  const mounts = await answer.json();
  chooser.replaceChildren(...mounts.map((each) => element("option", { value: each.aet, selected: each.default }, each.aet)));
  const viewers = new Map(mounts.map((each) => [each.aet, each.viewer]));
  viewer = (mount, uid) => viewers.get(mount) && `${viewers.get(mount)}?StudyInstanceUIDs=${uid}`;
  addEventListener("hashchange", go);
  await go();
}

start().catch((error) => note(`The service does not answer: ${error.message}`));
