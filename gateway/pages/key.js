// The API key of a gateway that wants one: asked for when it refuses, kept until the tab is closed, sent with each
// request. Knows nothing of what is asked.

import { byId } from "./dom.js";

const KEPT = "tandem-api-key";
let waiting = null; // a promise of the key that the person is asked for

export const hasKey = () => sessionStorage.getItem(KEPT) !== null;

// fetch, with the key; asks the person for another one as often as the gateway refuses it.
export async function fetchWithKey(path, options = {}) {
  for (;;) {
    const key = sessionStorage.getItem(KEPT);
    const headers = { ...options.headers, ...(key === null ? {} : { authorization: `Bearer ${key}` }) };
    const response = await fetch(path, { ...options, headers });
    if (response.status !== 401) return response;
    // Another request may have got a new one meanwhile.
    if (sessionStorage.getItem(KEPT) === key) await orAborted((waiting ??= asked(key !== null)), options.signal);
  }
}

// What is promised, or an AbortError as soon as the signal asks for it.
function orAborted(promise, signal) {
  return new Promise((resolve, reject) => {
    signal?.addEventListener("abort", () => reject(signal.reason), { once: true });
    promise.then(resolve, reject);
  });
}

function asked(isRefused) {
  const form = byId("key-form");
  const field = byId("key");
  byId("key-problem").hidden = !isRefused;
  field.setAttribute("aria-invalid", String(isRefused));
  form.hidden = false;
  byId("state").textContent = "waiting for an API key";
  field.value = "";
  field.focus();
  return new Promise((resolve) => {
    form.onsubmit = (event) => {
      event.preventDefault();
      // No header can carry other characters: a line break from the clipboard, a typographic dash.
      const key = field.value.replace(/[^\x21-\x7e]/g, "");
      if (!key) return;
      sessionStorage.setItem(KEPT, key);
      field.value = "";
      form.hidden = true;
      waiting = null;
      resolve();
    };
  });
}
