// Saves the drawn SVG as a file, made here in the browser: styles are written into a copy, as a file has no style sheet.
const SAVED = ["fill", "fill-opacity", "stroke", "stroke-width", "stroke-opacity", "stroke-dasharray", "opacity", "font-size",
  "font-family", "text-anchor"];

function standalone(svg, title, ground) {
  const copy = svg.cloneNode(true), [, , width, height] = svg.getAttribute("viewBox").split(" ");
  const drawn = svg.querySelectorAll("*"), copied = copy.querySelectorAll("*");
  drawn.forEach((element, i) => {
    const style = getComputedStyle(element);
    copied[i].setAttribute("style", SAVED.map((name) => `${name}:${style.getPropertyValue(name)}`).join(";"));
    for (const name of ["tabindex", "role", "aria-label", "aria-pressed", "class", "data-id"]) copied[i].removeAttribute(name);
  });
  copy.setAttribute("xmlns", NS);
  copy.setAttribute("width", width);
  copy.setAttribute("height", height);
  copy.removeAttribute("style");
  const back = document.createElementNS(NS, "rect");
  for (const [name, value] of Object.entries({ width, height, fill: ground })) back.setAttribute(name, value);
  copy.prepend(back);
  const heading = document.createElementNS(NS, "title");
  heading.textContent = title;
  copy.prepend(heading);
  return new XMLSerializer().serializeToString(copy);
}

function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

function savePicture(svg, kind, title) {
  const host = svg.getRootNode().host ?? svg.parentElement;
  const ground = getComputedStyle(host).getPropertyValue("--st-background-color").trim() || "white";
  const text = standalone(svg, title, ground), name = `${title.replace(/[^a-z0-9]+/gi, "-")}.${kind}`;
  const file = new Blob([text], { type: "image/svg+xml" });
  if (kind === "svg") { save(file, name); return; }
  const picture = new Image(), canvas = document.createElement("canvas"), box = svg.viewBox.baseVal;
  picture.onload = () => {
    [canvas.width, canvas.height] = [2 * box.width, 2 * box.height];
    canvas.getContext("2d").drawImage(picture, 0, 0, canvas.width, canvas.height);
    canvas.toBlob((blob) => save(blob, name), "image/png");
  };
  picture.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(text)}`;
}
