// Elements, made without text that could be taken for markup.

export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value === true) made.setAttribute(key, "");
    else made.setAttribute(key, value);
  }
  made.append(...children.flat().filter((each) => each !== null && each !== undefined && each !== false));
  return made;
}

export function show(...children) {
  document.getElementById("main").replaceChildren(...children.flat().filter(Boolean));
}

let clearing = 0;

export function note(message) {
  const box = document.getElementById("note");
  box.textContent = message;
  box.hidden = !message;
  clearTimeout(clearing);
  if (message) clearing = setTimeout(() => { box.hidden = true; }, 12000);
}

// A picture that says so when there is none.
export function picture(src, alt) {
  const frame = element("span", { class: "picture" });
  const image = element("img", { src, alt, loading: "lazy", decoding: "async" });
  image.addEventListener("error", () => frame.replaceChildren("no picture"));
  frame.append(image);
  return frame;
}
