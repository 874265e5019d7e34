// A document from its beginning to its end: what windows gain from context, ties of boundaries, repeats; segments to click.
const LEFT = 104, ROW = 34, GAP = 8;

function draw(svg, data, pick, width) {
  const x = (place) => LEFT + (place / Math.max(data.length, 1)) * (width - LEFT - 4);
  const rows = ["gain from context", ...(data.ties.length ? ["ties"] : []), "repeats"];
  const top = (name) => 4 + rows.indexOf(name) * (ROW + GAP), height = 4 + rows.length * (ROW + GAP);
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  for (const name of rows) {
    make(svg, "text", { x: 0, y: top(name) + ROW / 2 + 4 }, name);
    make(svg, "rect", { x: LEFT, y: top(name), width: width - LEFT - 4, height: ROW, class: "rail" });
  }
  const middle = top(rows[0]) + ROW / 2, most = Math.max(...data.windows.map((one) => Math.abs(one.diff)), 0.02);
  make(svg, "line", { x1: LEFT, x2: width - 4, y1: middle, y2: middle, class: "rule" });
  if (!data.windows.length) make(svg, "text", { x: LEFT + 8, y: middle + 4 }, data.unread);
  for (const one of data.windows) {
    const size = (Math.abs(one.diff) / most) * (ROW / 2), up = one.diff >= 0;
    const bar = make(svg, "rect", { x: x(one.start), width: Math.max(x(one.end) - x(one.start), 2), height: Math.max(size, 1),
      y: up ? middle - size : middle, class: up ? "gain" : "loss" });
    make(bar, "title", {}, one.hint);
  }
  for (const one of data.ties) {
    const foot = top("ties") + ROW;
    const line = make(svg, "line", { x1: x(one.at), x2: x(one.at), y1: foot, y2: foot - Math.max(one.score, 0.05) * ROW,
      class: one.weak ? "tie weak" : "tie" });
    make(line, "title", {}, one.hint);
  }
  for (const [start, end] of data.repeats) {
    make(svg, "rect", { x: x(start), width: Math.max(x(end) - x(start), 1), y: top("repeats") + 6, height: ROW - 12, class: "again" });
  }
  data.segments.forEach(([start, end], number) => {
    const box = make(svg, "rect", { x: x(start), width: Math.max(x(end) - x(start), 3), y: 1, height: height - 2,
      class: number === data.chosen ? "segment chosen" : "segment", tabindex: 0, role: "button", "aria-label": `read segment ${number + 1}` });
    make(box, "title", {}, data.hints[number]);
    box.onclick = () => pick(number);
    box.onkeydown = (event) => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); pick(number); } };
  });
}

export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  const host = parentElement.querySelector(".strip");
  host.replaceChildren();
  const svg = make(host, "svg", { role: "group", "aria-label": "the document by segments" });
  draw(svg, data, (number) => setTriggerValue("segment", number), Math.max(host.clientWidth, 300));
}
