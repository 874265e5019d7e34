// Draws the link graph as SVG from plain data and reports clicks. All text goes through textContent.
function shape(parent, node) {
  const { x, y, r } = node;
  const place = (points) => points.map(([dx, dy]) => `${x + dx * r},${y + dy * r}`).join(" ");
  if (node.kind === "feature") return make(parent, "circle", { cx: x, cy: y, r });
  if (node.kind === "target") return make(parent, "rect", { x: x - 1.6 * r, y: y - r, width: 3.2 * r, height: 2 * r, rx: 4 });
  if (node.kind === "bias") return make(parent, "rect", { x: x - 0.9 * r, y: y - 0.9 * r, width: 1.8 * r, height: 1.8 * r });
  if (node.kind === "error") return make(parent, "polygon", { points: place([[0, -1.3], [1.3, 0], [0, 1.3], [-1.3, 0]]) });
  return make(parent, "polygon", { points: place([[0, -1.25], [1.2, 0.9], [-1.2, 0.9]]) });
}

function label(group, node, width) {
  const gap = (node.kind === "target" ? 1.6 : 1) * node.r + 7, left = node.x > 0.6 * width;
  const place = { x: node.x + (left ? -gap : gap), y: node.y + 4, "text-anchor": left ? "end" : "start", class: "name" };
  make(group, "text", place, node.label);
}

function drawFrame(svg, data) {
  const frame = make(svg, "g", { class: "frame" });
  data.rows.forEach((row, i) => {
    if (i % 2 === 0) make(frame, "rect", { x: 0, y: row.y, width: data.width, height: row.h, class: "band" });
    make(frame, "text", { x: 46, y: row.y + row.h / 2 + 4, "text-anchor": "end" }, row.name);
  });
  const base = data.height - 36;
  for (const column of data.columns) {
    const x = column.x + column.w / 2;
    make(frame, "line", { x1: column.x, x2: column.x, y1: 8, y2: base, class: "rule" });
    make(frame, "text", { x, y: base + 15, "text-anchor": "middle", class: "move" }, column.name);
    make(frame, "text", { x, y: base + 28, "text-anchor": "middle", class: "count" }, column.move ? String(column.move) : "");
  }
}

function drawEdges(svg, data, at) {
  const layer = make(svg, "g", { class: "edges" });
  return data.edges.map((edge) => {
    const s = at.get(edge.s), t = at.get(edge.t), middle = (s.y + t.y) / 2;
    const d = `M${s.x},${s.y}C${s.x},${middle} ${t.x},${middle} ${t.x},${t.y}`;
    const path = make(layer, "path", { d, class: edge.w >= 0 ? "up" : "down" });
    path.style.strokeWidth = 0.5 + 3 * Math.sqrt(edge.k);
    path.style.strokeOpacity = 0.16 + 0.6 * Math.sqrt(edge.k);
    return { path, s: edge.s, t: edge.t };
  });
}

function place(tip, box, target) {
  const inner = target.getBoundingClientRect(), outer = box.getBoundingClientRect();
  tip.hidden = false;
  const left = inner.left - outer.left + inner.width / 2 - tip.offsetWidth / 2;
  tip.style.left = `${Math.max(2, Math.min(left, outer.width - tip.offsetWidth - 2))}px`;
  const above = inner.top - outer.top - tip.offsetHeight - 6;
  tip.style.top = `${above > 0 ? above : inner.bottom - outer.top + 6}px`;
}

function show(tip, node) {
  tip.replaceChildren();
  for (const [name, text] of [["b", node.label], ["span", node.place], ["span", node.text]]) {
    if (!text) continue;
    const line = document.createElement(name);
    line.textContent = text;
    tip.appendChild(line);
  }
}

function isDark(colour) {
  const [red, green, blue] = (colour.match(/[0-9a-f]{2}/gi) ?? []).map((part) => parseInt(part, 16));
  return 0.3 * red + 0.6 * green + 0.1 * blue < 110;
}

export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  const box = parentElement.querySelector(".link-graph"), scroll = box.querySelector(".scroll"), tip = box.querySelector(".tip");
  box.classList.toggle("dark", isDark(getComputedStyle(box).getPropertyValue("--st-background-color")));
  const kept = scroll.scrollLeft, focused = parentElement.activeElement?.dataset?.id;
  scroll.replaceChildren();
  tip.hidden = true;
  const svg = make(scroll, "svg", { viewBox: `0 0 ${data.width} ${data.height}`, role: "group", "aria-label": data.title });
  svg.style.minWidth = `${Math.round(data.width * 0.72)}px`;
  drawFrame(svg, data);
  const pins = new Set(data.pins), at = new Map(data.nodes.map((node) => [node.id, node]));
  const edges = drawEdges(svg, data, at), marks = new Map(), layer = make(svg, "g", { class: "nodes" });

  function highlight(id) {
    const near = new Set([id]);
    for (const edge of edges) {
      const touches = edge.s === id || edge.t === id;
      edge.path.classList.toggle("near", touches);
      if (touches) { near.add(edge.s); near.add(edge.t); }
    }
    for (const [other, mark] of marks) mark.classList.toggle("near", near.has(other));
    svg.classList.toggle("focus", at.has(id) && (id !== data.goal || id !== data.selected));
  }

  for (const node of data.nodes) {
    const sign = node.sign > 0 ? "up" : node.sign < 0 ? "down" : "goal";
    const group = make(layer, "g", { class: `node ${sign}`, tabindex: 0, role: "button" });
    group.dataset.id = node.id;
    group.setAttribute("aria-label", [node.label, node.place, node.text].filter(Boolean).join(", "));
    group.setAttribute("aria-pressed", String(node.id === data.selected));
    make(group, "circle", { cx: node.x, cy: node.y, r: Math.max(node.r + 3, 8), class: "hit" });
    if (node.id === data.selected) make(group, "circle", { cx: node.x, cy: node.y, r: node.r + 4.5, class: "ring" });
    if (pins.has(node.id)) make(group, "circle", { cx: node.x, cy: node.y, r: node.r + 2.5, class: "pin" });
    shape(group, node);
    if (data.named || node.id === data.goal) label(group, node, data.width);
    const enter = () => { show(tip, node); place(tip, box, group); highlight(node.id); };
    const leave = () => { tip.hidden = true; highlight(data.selected); };
    const pick = (event) => setTriggerValue(event.shiftKey ? "pinned" : "picked", node.id);
    Object.assign(group, { onmouseenter: enter, onfocus: enter, onmouseleave: leave, onblur: leave, onclick: pick });
    group.onkeydown = (event) => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); pick(event); } };
    marks.set(node.id, group);
  }
  highlight(data.selected);
  scroll.scrollLeft = data.selected && !kept ? svg.scrollWidth : kept;
  box.querySelector(".legend").textContent = data.legend;
  for (const button of box.querySelectorAll(".tools button")) {
    button.onclick = () => savePicture(svg, button.dataset.kind, data.title);
  }
  if (focused && marks.has(focused)) { marks.get(focused).focus({ preventScroll: true }); }
}
