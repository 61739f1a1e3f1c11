// Tokens on the page, each shaded by its probability; what else could have stood there shows on hover and on focus.

import { bytesOf } from "../images.js";
import { byId, element, percent } from "../dom.js";

export class TokenView {
  constructor(container, popup) {
    this.container = container;
    this.popup = popup;
    this.tokens = new Map(); // element -> what the model said of it
    container.addEventListener("pointerover", (event) => this.#show(event.target));
    container.addEventListener("focusin", (event) => this.#show(event.target));
    container.addEventListener("pointerleave", (event) => this.#leave(event.relatedTarget));
    container.addEventListener("focusout", (event) => this.#leave(event.relatedTarget));
    container.addEventListener("keydown", (event) => this.#move(event));
    popup.addEventListener("pointerleave", (event) => this.#leave(event.relatedTarget));
  }

  clear(first = "") {
    this.decoder = new TextDecoder();
    this.tokens.clear();
    this.popup.hidden = true;
    this.container.replaceChildren();
    if (first) this.container.append(element("span", { class: "given" }, first));
    this.container.hidden = false;
  }

  // `said` is a TokenLogprob of the contract.
  add(said) {
    // A token may end inside a character: its bytes wait for those of the next one.
    const text = this.decoder.decode(bytesOf(said.token), { stream: true });
    const share = Math.exp(said.logprob ?? 0);
    const shown = text.replace(/\n/g, "↵\n") || "◌";
    const token = element(
      "span",
      {
        class: "token",
        role: "button",
        tabindex: this.tokens.size ? -1 : 0,
        "aria-label": `${visible(text)}, ${percent(share)}`,
      },
      shown,
    );
    token.style.setProperty("--surprise", surprise(share).toFixed(3));
    this.tokens.set(token, said);
    this.container.append(token);
  }

  // The generation has ended by a token of the model's choice, which is no part of the text.
  end(text) {
    const last = this.container.lastElementChild;
    const said = this.tokens.get(last);
    if (!said || text.endsWith(new TextDecoder().decode(bytesOf(said.token)))) return;
    last.textContent = "end";
    last.classList.add("end");
    last.setAttribute("aria-label", last.getAttribute("aria-label").replace(/^.*,/, "end of the text,"));
  }

  #show(target) {
    const said = this.tokens.get(target);
    if (!said) return;
    this.container.querySelector("[aria-describedby]")?.removeAttribute("aria-describedby");
    target.setAttribute("aria-describedby", this.popup.id);
    this.popup.replaceChildren(...choices(said));
    this.popup.hidden = false;
    this.#place(target);
  }

  #place(target) {
    const [token] = target.getClientRects();
    const home = this.popup.offsetParent.getBoundingClientRect();
    const left = Math.min(token.left - home.left, home.width - this.popup.offsetWidth - 8);
    this.popup.style.left = `${Math.max(8, left)}px`;
    this.popup.style.top = `${token.bottom - home.top + 4}px`;
  }

  #leave(next) {
    if (this.popup.contains(next) || this.tokens.has(next)) return;
    const focused = document.activeElement;
    if (this.tokens.has(focused) && next !== null && focused !== next) this.#show(focused);
    else if (!this.tokens.has(focused)) this.popup.hidden = true;
  }

  #move(event) {
    if (event.key === "Escape") this.popup.hidden = true;
    const all = [...this.tokens.keys()];
    const place = all.indexOf(document.activeElement);
    const next = { ArrowRight: place + 1, ArrowLeft: place - 1, Home: 0, End: all.length - 1 }[event.key];
    if (place < 0 || !all[next]) return;
    event.preventDefault();
    all[place].tabIndex = -1;
    all[next].tabIndex = 0;
    all[next].focus();
  }
}

// 0 for what was certain, 1 for one chance in a thousand and less; in between by the bits it took.
const surprise = (share) => Math.min(1, -Math.log(share) / Math.log(1000));

function choices(said) {
  const others = said.alternatives ?? [];
  const rows = others.some((each) => each.token_id === said.token_id) ? others : [...others, said];
  const title = others.length ? "It could have said" : "The model's probability of this token";
  return [element("p", {}, title), ...rows.map((each) => choice(each, each.token_id === said.token_id))];
}

function choice({ token, logprob = 0 }, isChosen) {
  const share = Math.exp(logprob);
  const bar = element("span", { class: "bar" });
  bar.style.setProperty("--share", share.toFixed(4));
  return element(
    "div",
    { class: isChosen ? "choice chosen" : "choice" },
    element("code", {}, visible(new TextDecoder().decode(bytesOf(token)))),
    bar,
    element("span", { class: "number" }, percent(share)),
  );
}

const visible = (text) => text.replace(/ /g, "␣").replace(/\n/g, "↵") || "◌";

export const tokenView = () => new TokenView(byId("text-output"), byId("alternatives"));
