// One instance: its picture, frame by frame, or its document; and all of its tags.

import { metadata, mountRoot, path, search, text } from "./dicom.js";
import { element, note, show } from "./html.js";

const PDF = "1.2.840.10008.5.1.4.1.1.104.1";
const REPORTS = "1.2.840.10008.5.1.4.1.1.88.";
const MARGIN = 40; // pixels

export async function instance(mount, uid, id, sop, signal) {
  show(element("p", { class: "dim" }, "Loading…"));
  const series = `${mountRoot(mount)}/studies/${uid}/series/${id}`;
  const root = `${series}/instances/${sop}`;
  const waiting = () => show(element("p", { class: "dim" }, "The images are being fetched from afar…"));
  const [found, listed] = await Promise.all([
    metadata(`${root}/metadata`, signal, waiting),
    search(`${series}/instances`, signal).catch(() => ({ found: [] })),
  ]);
  const header = found[0];
  const order = listed.found
    .sort((a, b) => Number(text(a, "00200013") || 0) - Number(text(b, "00200013") || 0))
    .map((each) => text(each, "00080018"));
  const place = order.indexOf(sop);
  const near = (step) => order[place + step] && `#/${path(mount, uid, id, order[place + step])}`;
  const stage = element("div", { class: "stage" });
  const controls = element("div", { class: "controls" });
  show(
    element("p", {}, element("a", { href: `#/${path(mount, uid, id)}` }, "← Series")),
    element("h1", {}, [text(header, "00080060"), text(header, "0008103E"), `# ${text(header, "00200013") || "–"}`].join(" ")),
    stage, controls,
    element("div", { class: "actions" },
      near(-1) && element("a", { class: "button", href: near(-1), id: "previous" }, "← Previous"),
      near(1) && element("a", { class: "button", href: near(1), id: "next" }, "Next →"),
      element("a", { class: "button", href: `${root}?accept=application/dicom`, download: `${sop}.dcm` }, "Download")),
    element("h2", {}, "Tags"), await tags(header, signal));
  fill(stage, controls, root, header);
}

function fill(stage, controls, root, header) {
  const kind = text(header, "00080016");
  if (kind === PDF || kind.startsWith(REPORTS)) {
    const type = kind === PDF ? "application/pdf" : "text/html";
    stage.append(element("iframe", { src: `${root}/rendered?accept=${type}`, title: "Document" }));
  } else if (header["00280010"]) {
    pictures(stage, controls, root, header);
  } else {
    stage.append("This kind of instance has no picture.");
  }
}

function pictures(stage, controls, root, header) {
  const frames = Math.max(Number(text(header, "00280008")) || 1, 1);
  const image = element("img", { alt: "The image" });
  const frame = element("input", { type: "range", min: 1, max: frames, value: 1, id: "frame" });
  const number = element("output", {}, `1 / ${frames}`);
  const own = ["00281050", "00281051"].map((tag) => text(header, tag).split(", ")[0]);
  const center = element("input", { type: "number", step: "any", "aria-label": "Window center", placeholder: own[0] });
  const width = element("input", { type: "number", step: "any", min: 1, "aria-label": "Window width", placeholder: own[1] });
  const draw = () => {
    const box = Math.max(Math.round(Math.min(stage.clientWidth || 512, 1600) - MARGIN), 128);
    const asked = new URLSearchParams({ viewport: `${box},${box}` });
    if (center.value && width.value) asked.set("window", `${center.value},${width.value},linear`);
    number.textContent = `${frame.value} / ${frames}`;
    image.src = `${root}/frames/${frame.value}/rendered?${asked}`;
  };
  image.addEventListener("error", () => other(stage, controls, root));
  for (const each of [frame, center, width]) each.addEventListener("change", draw);
  frame.addEventListener("input", draw);
  stage.append(image);
  if (frames > 1) controls.append(element("label", {}, "Frame", frame, number));
  if (text(header, "00280002") !== "3") controls.append(element("label", {}, "Window", center, width));
  draw();
}

// What is no picture may be a film.
async function other(stage, controls, root) {
  const answer = await fetch(`${root}/rendered`, { method: "HEAD", headers: { Accept: "*/*" } }).catch(() => null);
  if (answer?.headers.get("Content-Type")?.startsWith("video/")) {
    stage.replaceChildren(element("video", { src: `${root}/rendered`, controls: true }));
    controls.replaceChildren();
  } else {
    note("This picture cannot be made.");
  }
}

let names;

async function tags(header, signal) {
  names ??= await fetch("ui/names.json", { signal }).then((answer) => answer.json()).catch(() => ({}));
  const body = element("tbody", {}, rows(header, 0));
  const filter = element("input", { type: "search", placeholder: "Filter", "aria-label": "Filter the tags" });
  filter.addEventListener("input", () => {
    const wanted = filter.value.trim().toLowerCase();
    for (const row of body.rows) row.hidden = !row.textContent.toLowerCase().includes(wanted);
  });
  return element("div", {}, filter, element("table", { class: "tags" },
    element("thead", {}, element("tr", {}, ["Tag", "Name", "VR", "Value"].map((each) => element("th", { scope: "col" }, each)))), body));
}

function rows(dataset, depth) {
  return Object.entries(dataset).flatMap(([tag, { vr, Value, BulkDataURI, InlineBinary }]) => {
    const isSequence = vr === "SQ";
    const bulk = BulkDataURI && element("a", { href: BulkDataURI, download: tag }, "bulk data");
    const said = isSequence ? `${(Value ?? []).length} items` : InlineBinary ? "binary" : (Value ?? []).map(plain).join(" \\ ");
    const row = element("tr", {},
      element("td", {}, "› ".repeat(depth) + `(${tag.slice(0, 4)},${tag.slice(4)})`),
      element("td", {}, names[tag] ?? ""), element("td", {}, vr), element("td", {}, bulk ?? said));
    return isSequence ? [row, ...(Value ?? []).flatMap((item) => rows(item, depth + 1))] : [row];
  });
}

function plain(value) {
  if (value === null) return "";
  return typeof value === "object" ? value.Alphabetic ?? JSON.stringify(value) : String(value);
}
