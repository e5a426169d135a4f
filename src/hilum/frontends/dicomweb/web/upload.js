// Storing: files and folders become STOW-RS requests of a bounded size, one after another.

import { mountRoot } from "./dicom.js";
import { element } from "./html.js";

const AT_ONCE = 20; // files in a request
const MOST = 64 * 1024 * 1024; // bytes in a request, unless one file is longer

const REASONS = { 42752: "out of resources", 43264: "does not match its SOP class", 43265: "another study",
  49152: "cannot be understood", 49426: "transfer syntax not supported", 273: "another data set has this UID",
  272: "processing failure", 290: "SOP class not supported" };

export async function store(mount, files, done) {
  const box = document.getElementById("uploads");
  const bar = element("progress", { max: files.reduce((sum, file) => sum + file.size, 0) || 1, value: 0 });
  const line = element("p");
  const failures = element("ul", { class: "bad" });
  const close = element("button", { type: "button", hidden: true }, "Close");
  close.addEventListener("click", () => { box.hidden = true; });
  box.replaceChildren(element("strong", {}, `Storing in ${mount}`), bar, line, failures, close);
  box.hidden = false;
  const state = { sent: 0, stored: 0, failed: 0 };
  const tell = () => {
    line.textContent = `${state.stored} of ${files.length} stored` + (state.failed ? `, ${state.failed} not` : "");
  };
  tell();
  for (const batch of batches(files)) {
    const before = state.sent;
    try {
      const answer = await send(`${mountRoot(mount)}/studies`, batch, (bytes) => { bar.value = before + bytes; });
      const { stored, failed, said } = read(answer, batch.length);
      state.stored += stored;
      state.failed += failed;
      failures.append(...said.map((each) => element("li", {}, each)));
    } catch (error) {
      state.failed += batch.length;
      failures.append(element("li", {}, `${batch.map((file) => file.name).join(", ")}: ${error.message}`));
    }
    state.sent += batch.reduce((sum, file) => sum + file.size, 0);
    bar.value = state.sent;
    tell();
  }
  line.className = state.failed ? "bad" : "good";
  close.hidden = false;
  close.focus();
  done();
}

function* batches(files) {
  let batch = [];
  let size = 0;
  for (const file of files) {
    if (batch.length && (batch.length >= AT_ONCE || size + file.size > MOST)) {
      yield batch;
      batch = [];
      size = 0;
    }
    batch.push(file);
    size += file.size;
  }
  if (batch.length) yield batch;
}

function send(url, files, progress) {
  const boundary = `hilum-${crypto.getRandomValues(new Uint32Array(4)).join("-")}`;
  const parts = files.flatMap((file) => [`--${boundary}\r\nContent-Type: application/dicom\r\n\r\n`, file, "\r\n"]);
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", url);
    request.setRequestHeader("Content-Type", `multipart/related; type="application/dicom"; boundary=${boundary}`);
    request.setRequestHeader("Accept", "application/dicom+json");
    request.upload.addEventListener("progress", (event) => progress(event.loaded));
    request.addEventListener("load", () => resolve(request));
    request.addEventListener("error", () => reject(new Error("the connection broke")));
    request.send(new Blob([...parts, `--${boundary}--\r\n`]));
  });
}

function read(request, count) {
  let said;
  try {
    said = JSON.parse(request.responseText);
  } catch {
    said = {};
  }
  if (said.error) throw new Error(said.error);
  const failed = said["00081198"]?.Value ?? [];
  const stored = said["00081199"]?.Value ?? [];
  if (!failed.length && !stored.length) throw new Error(`the service answered ${request.status}`);
  return {
    stored: stored.length,
    failed: Math.max(failed.length, count - stored.length),
    said: failed.map((each) => {
      const code = each["00081197"]?.Value?.[0];
      return `${each["00081155"]?.Value?.[0] ?? "a file"}: ${REASONS[code] ?? `failure ${code?.toString(16)}`}`;
    }),
  };
}

// The files that were dropped, also those in folders.
export async function dropped(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) return [...transfer.files];
  return (await Promise.all(entries.map(walked))).flat();
}

async function walked(entry) {
  if (entry.isFile) return [await new Promise((resolve, reject) => { entry.file(resolve, reject); })];
  const reader = entry.createReader();
  const found = [];
  for (;;) {
    const some = await new Promise((resolve, reject) => { reader.readEntries(resolve, reject); });
    if (!some.length) return found;
    for (const each of some) found.push(...await walked(each));
  }
}
