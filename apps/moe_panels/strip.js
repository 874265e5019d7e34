// The tokens of a text, coloured by the expert that reads them. Text goes through textContent, so no token is read as markup.
export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  const host = parentElement.querySelector(".tokens");
  host.replaceChildren();
  for (const one of data.tokens) {
    const button = document.createElement("button");
    button.textContent = one.text;
    button.className = one.marks;
    if (one.position === data.chosen) button.classList.add("chosen");
    button.style.setProperty("--tint", one.tint);
    button.title = one.hint;
    button.setAttribute("aria-label", `${one.text}: ${one.hint}`);
    const number = document.createElement("sub");
    number.textContent = one.expert;
    button.appendChild(number);
    button.onclick = () => setTriggerValue("position", one.position);
    host.appendChild(button);
    if (one.ends) host.appendChild(document.createElement("br"));
  }
}
