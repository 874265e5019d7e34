// The playable board and the model's view of it as SVG; reports a move to play or a square to trace.
const CELL = 40, LETTERS = "abcdefgh";

function frame(host, label) {
  host.replaceChildren();
  const svg = make(host, "svg", { viewBox: "-20 -20 342 342", role: "group", "aria-label": label });
  for (let i = 0; i < 8; i++) {
    make(svg, "text", { x: i * CELL + 20, y: -6, class: "head" }, LETTERS[i]);
    make(svg, "text", { x: -11, y: i * CELL + 25, class: "head" }, String(i + 1));
  }
  return svg;
}

function button(group, label, act) {
  group.setAttribute("tabindex", 0);
  group.setAttribute("role", "button");
  group.setAttribute("aria-label", label);
  group.classList.add("act");
  group.onclick = act;
  group.onkeydown = (event) => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); act(); } };
}

function square(svg, cell, index, fill) {
  const x = (index % 8) * CELL, y = Math.floor(index / 8) * CELL, group = make(svg, "g", {});
  const ground = make(group, "rect", { x, y, width: CELL, height: CELL, class: "ground" });
  if (fill) ground.style.fill = fill;
  make(group, "title", {}, cell.hint);
  return { group, x: x + CELL / 2, y: y + CELL / 2 };
}

function drawGame(host, data, play) {
  const svg = frame(host, "the game; legal squares can be played");
  data.cells.forEach((cell, index) => {
    const { group, x, y } = square(svg, cell, index);
    if (cell.disc) make(group, "circle", { cx: x, cy: y, r: 15.5, class: cell.disc > 0 ? "black" : "white" });
    if (cell.flipped) make(group, "circle", { cx: x, cy: y, r: 5, class: "turned" });
    if (cell.last) make(group, "circle", { cx: x, cy: y, r: 4, class: "last" });
    if (cell.legal) {
      make(group, "circle", { cx: x, cy: y, r: 6, class: data.black ? "hint black" : "hint white" });
      button(group, `play ${cell.name}`, () => play(cell.name));
    }
  });
}

function drawModel(host, data, trace) {
  const svg = frame(host, "what the model reads and would play; squares can be traced");
  data.cells.forEach((cell, index) => {
    const { group, x, y } = square(svg, cell, index);
    if (cell.p > 0.003) {
      const heat = make(group, "rect", { x: x - 20, y: y - 20, width: CELL, height: CELL, class: cell.legal ? "good" : "bad" });
      heat.style.fillOpacity = Math.min(1, 0.12 + 0.88 * Math.sqrt(cell.p));
      if (cell.p >= 0.01) make(group, "text", { x, y: y + 5, class: "percent" }, String(Math.round(100 * cell.p)));
    }
    if (cell.read) {
      const disc = make(group, "circle", { cx: x, cy: y, r: 13, class: cell.read > 0 ? "black" : "white" });
      disc.style.fillOpacity = 0.35 + 0.65 * cell.sure;
    }
    if (cell.wrong) make(group, "rect", { x: x - 17.5, y: y - 17.5, width: 35, height: 35, class: "wrong" });
    if (cell.target) make(group, "rect", { x: x - 18, y: y - 18, width: 36, height: 36, class: "target" });
    if (cell.playable) button(group, `trace the logit of ${cell.name}`, () => trace(cell.name));
  });
}

export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  const root = parentElement.querySelector(".boards");
  root.querySelector(".game figcaption").textContent = data.game;
  root.querySelector(".model figcaption").textContent = data.model;
  drawGame(root.querySelector(".game .svg"), data, (name) => setTriggerValue("played", name));
  drawModel(root.querySelector(".model .svg"), data, (name) => setTriggerValue("aimed", name));
}
