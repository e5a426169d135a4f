// The list of studies: a form, its matches, and the next ones.

import { date, mountRoot, search, text, time } from "./dicom.js";
import { element, note, show } from "./html.js";

const PAGE = 50; // studies at a time

const FIELDS = [
  ["PatientName", "Patient name", "text", (value) => (/[*?]/.test(value) ? value : `${value}*`)],
  ["PatientID", "Patient ID", "text"],
  ["AccessionNumber", "Accession number", "text"],
  ["StudyDescription", "Description", "text", (value) => (/[*?]/.test(value) ? value : `*${value}*`)],
  ["ModalitiesInStudy", "Modality", "text", (value) => value.toUpperCase()],
  ["from", "From", "date"],
  ["to", "To", "date"],
];

const COLUMNS = [
  ["Patient", (study) => text(study, "00100010") || "(no name)"],
  ["ID", (study) => text(study, "00100020")],
  ["Born", (study) => date(study, "00100030")],
  ["Date", (study) => `${date(study, "00080020")} ${time(study, "00080030")}`.trim()],
  ["Modalities", (study) => text(study, "00080061")],
  ["Description", (study) => text(study, "00081030")],
  ["Accession", (study) => text(study, "00080050")],
  ["Series", (study) => text(study, "00201206")],
  ["Images", (study) => text(study, "00201208")],
];

export async function studies(mount, wanted, signal) {
  const body = element("tbody");
  const more = element("button", { type: "button", hidden: true }, "More");
  const count = element("p", { class: "dim", role: "status" }, "Searching…");
  show(
    form(mount, wanted),
    element("table", { class: "studies" },
      element("thead", {}, element("tr", {}, COLUMNS.map(([name]) => element("th", { scope: "col" }, name)))), body),
    count, more);
  const page = async () => {
    more.disabled = true;
    try {
      const before = body.children.length;
      const { found, warning } = await search(url(mount, wanted, before), signal);
      body.append(...found.map((study) => row(mount, study)));
      const all = before + found.length;
      more.hidden = found.length < PAGE;
      count.textContent = all ? `${all} studies${more.hidden ? "" : ", and perhaps more"}` : "No study matches.";
      if (warning && !/additional results/.test(warning)) count.append(" ", element("span", { class: "bad" }, warning));
    } catch (error) {
      if (!signal.aborted) { count.textContent = ""; note(error.message); }
    } finally {
      more.disabled = false;
    }
  };
  more.addEventListener("click", page);
  await page();
}

function form(mount, wanted) {
  const fields = FIELDS.map(([name, label, type]) =>
    element("label", {}, label, element("input", { name, type, value: wanted.get(name) ?? "", autocomplete: "off" })));
  const made = element("form", { class: "search", role: "search" }, fields,
    element("button", { class: "main", type: "submit" }, "Search"),
    element("button", { type: "reset" }, "Clear"));
  const go = (parameters) => { location.hash = `/${encodeURIComponent(mount)}?${parameters}`; };
  made.addEventListener("submit", (event) => {
    event.preventDefault();
    const given = [...new FormData(made)].filter(([, value]) => value.trim());
    go(new URLSearchParams(given.map(([name, value]) => [name, value.trim()])));
  });
  made.addEventListener("reset", () => go(""));
  return made;
}

function url(mount, wanted, offset) {
  const keys = new URLSearchParams({ limit: PAGE, offset, includefield: "StudyDescription" });
  for (const [name, , type, made] of FIELDS) {
    const value = wanted.get(name);
    if (value && type === "text") keys.set(name, made ? made(value) : value);
  }
  const [from, to] = ["from", "to"].map((name) => (wanted.get(name) ?? "").replaceAll("-", ""));
  if (from || to) keys.set("StudyDate", `${from}-${to}`);
  return `${mountRoot(mount)}/studies?${keys}`;
}

function row(mount, study) {
  const href = `#/${encodeURIComponent(mount)}/${text(study, "0020000D")}`;
  const made = element("tr", { "data-href": href }, COLUMNS.map(([name, of], place) => {
    const shown = of(study);
    return place ? element("td", { "data-label": name }, shown) : element("td", {}, element("a", { href }, shown));
  }));
  made.addEventListener("click", (event) => { if (!event.target.closest("a")) location.hash = href; });
  return made;
}
