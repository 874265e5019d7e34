// What both drawings are made with. Text goes through textContent, so that no label is read as markup.
const NS = "http://www.w3.org/2000/svg";

function make(parent, tag, attributes, text) {
  const element = document.createElementNS(NS, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (text !== undefined) element.textContent = text;
  parent.appendChild(element);
  return element;
}
