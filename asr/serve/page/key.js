/* The API key of the server, kept while the tab is open. */

const NAME = "asr-key";
const VALID = /^[\x21-\x7e]+$/; // what a header can carry

const at = (id) => document.getElementById(id);

export function sessionKey() {
  try { return sessionStorage.getItem(NAME); } catch { return null; }
}

/* Ask for the key, then call `retry`. `showError` shows a message. */
export function askKey(showError, retry) {
  at("key-form").hidden = false;
  at("key").focus();
  at("key-form").onsubmit = (event) => {
    event.preventDefault();
    const key = at("key").value.trim();
    if (!VALID.test(key)) return showError("The key may contain only ASCII letters, digits and signs, without spaces.");
    try { sessionStorage.setItem(NAME, key); } catch { /* the page will ask again */ }
    at("key").value = "";
    return retry();
  };
}
