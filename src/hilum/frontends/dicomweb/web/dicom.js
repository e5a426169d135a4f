// What the service says, read: DICOM JSON (PS3.18 Annex F), errors, and answers that come later.

const JSON_TYPE = "application/dicom+json";
const LATER = new Set([202, 503]);
const PATIENCE = 20 * 60 * 1000; // milliseconds that an answer may take to be ready

export const path = (...parts) => parts.map(encodeURIComponent).join("/");

export const mountRoot = (mount) => `aets/${encodeURIComponent(mount)}`;

export function values(dataset, tag) {
  return dataset?.[tag]?.Value ?? [];
}

export function text(dataset, tag) {
  return values(dataset, tag).map(shown).filter(Boolean).join(", ");
}

export function shown(value) {
  if (value === null || value === undefined) return "";
  if (typeof value !== "object") return String(value);
  return (value.Alphabetic ?? value.Ideographic ?? value.Phonetic ?? "").replace(/\^+$/, "").replace(/\^/g, " ").trim();
}

export function date(dataset, tag) {
  return text(dataset, tag).replace(/^(\d{4})(\d\d)(\d\d)$/, "$1-$2-$3");
}

export function time(dataset, tag) {
  return text(dataset, tag).replace(/^(\d\d)(\d\d).*$/, "$1:$2");
}

// The matches of a search, and what the service warns of.
export async function search(url, signal) {
  const answer = await ask(url, { signal });
  const found = answer.status === 204 ? [] : await answer.json();
  return { found, warning: warningOf(answer) };
}

export async function metadata(url, signal, waiting) {
  return (await ask(url, { signal, waiting })).json();
}

// One answer; "not yet" is waited for, an error is thrown with the service's own words.
export async function ask(url, { signal, waiting, accept = JSON_TYPE } = {}) {
  const until = Date.now() + PATIENCE;
  for (;;) {
    const answer = await fetch(url, { headers: { Accept: accept }, signal });
    if (!LATER.has(answer.status) || !answer.headers.get("Retry-After") || Date.now() > until) {
      if (answer.status === 401) toLogin();
      if (!answer.ok || answer.status === 202) throw await failure(answer);
      return answer;
    }
    waiting?.();
    await pause(Math.min(Number(answer.headers.get("Retry-After")) || 5, 30), signal);
  }
}

export async function failure(answer) {
  const type = answer.headers.get("Content-Type") ?? "";
  const said = type.includes("json") ? (await answer.json().catch(() => ({}))).error : "";
  return new Error(said || `The service answered ${answer.status} ${answer.statusText}.`);
}

// Who is logged in, where there are logins at all.
export async function loggedIn() {
  return (await fetch("login", { headers: { Accept: "application/json" } })).json();
}

export function toLogin() {
  const here = location.pathname + location.search + location.hash;
  location.replace(`${new URL("login", document.baseURI)}?next=${encodeURIComponent(here)}`);
}

function warningOf(answer) {
  const said = /^299 [^ ]+ "(.*)"$/.exec(answer.headers.get("Warning") ?? "");
  return said ? said[1] : "";
}

function pause(seconds, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, seconds * 1000);
    signal?.addEventListener("abort", () => { clearTimeout(timer); reject(signal.reason); });
  });
}
