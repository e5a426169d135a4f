// One study with its series, and one series with its instances.

import { date, mountRoot, path, search, text, time } from "./dicom.js";
import { element, note, picture, show } from "./html.js";

const MOST = 500; // instances shown at a time

const link = (...parts) => `#/${path(...parts)}`;
const byNumber = (tag) => (a, b) => Number(text(a, tag) || 0) - Number(text(b, tag) || 0);

export async function study(mount, uid, { viewer }, signal) {
  show(element("p", { class: "dim" }, "Loading…"));
  const root = mountRoot(mount);
  const [about, series] = await Promise.all([
    search(`${root}/studies?StudyInstanceUID=${uid}&includefield=StudyDescription`, signal),
    search(`${root}/studies/${uid}/series?includefield=SeriesDescription&includefield=BodyPartExamined`, signal),
  ]);
  if (!about.found.length) { note("This study is not there."); return; }
  const found = about.found[0];
  const shownBy = viewer(mount, uid);
  const made = series.found.sort(byNumber("00200011"));
  show(
    element("p", {}, element("a", { href: `#/${encodeURIComponent(mount)}` }, "← Studies")),
    element("h1", {}, text(found, "00100010") || "(no name)"),
    element("p", { class: "dim" }, [
      text(found, "00100020"), date(found, "00100030"), text(found, "00100040"),
      `${date(found, "00080020")} ${time(found, "00080030")}`.trim(), text(found, "00081030"),
      text(found, "00080050") && `accession ${text(found, "00080050")}`,
    ].filter(Boolean).join(" · ")),
    element("div", { class: "actions" },
      shownBy && element("a", { class: "button main", href: shownBy }, "Open in viewer"),
      zip(`${root}/studies/${uid}`, "Download as zip")),
    element("h2", {}, `${made.length} series`),
    element("ul", { class: "grid" }, made.map((each) => {
      const id = text(each, "0020000E");
      return card(link(mount, uid, id), `${root}/studies/${uid}/series/${id}/thumbnail`,
        `${text(each, "00080060")} ${text(each, "00200011")}`.trim(),
        [text(each, "0008103E"), `${text(each, "00201209") || "?"} instances`]);
    })));
}

export async function series(mount, uid, id, signal) {
  show(element("p", { class: "dim" }, "Loading…"));
  const root = `${mountRoot(mount)}/studies/${uid}/series/${id}`;
  const list = element("ul", { class: "grid" });
  const more = element("button", { type: "button" }, "More");
  show(
    element("p", {}, element("a", { href: link(mount, uid) }, "← Study")),
    element("h1", {}, "Series"),
    element("div", { class: "actions" }, zip(root, "Download as zip")), list, more);
  const page = async () => {
    const { found } = await search(`${root}/instances?limit=${MOST}&offset=${list.children.length}`, signal);
    more.hidden = found.length < MOST;
    found.sort(byNumber("00200013"));
    list.append(...found.map((each) => {
      const instance = text(each, "00080018");
      const frames = text(each, "00280008");
      return card(link(mount, uid, id, instance), `${root}/instances/${instance}/thumbnail`,
        `# ${text(each, "00200013") || "–"}`, [Number(frames) > 1 ? `${frames} frames` : ""]);
    }));
  };
  more.addEventListener("click", () => page().catch((error) => note(error.message)));
  await page();
}

function card(href, thumbnail, title, lines) {
  return element("li", {}, element("a", { class: "card", href },
    picture(thumbnail, ""),
    element("span", { class: "text" }, element("strong", {}, title),
      lines.filter(Boolean).map((line) => [element("br"), line]).flat())));
}

function zip(url, label) {
  return element("a", { class: "button", href: `${url}?accept=application/zip`, download: "" }, label);
}
