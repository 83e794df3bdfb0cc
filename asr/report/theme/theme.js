"use strict";

/* Light or dark colours: the reader's last choice, else the system's setting. Runs in the head, before the first paint. The button
 * `#theme` is a switch labelled "Dark"; the event `themechange` tells scripts that draw. */

(() => {
  const root = document.documentElement;
  const system = window.matchMedia("(prefers-color-scheme: dark)");
  const key = "asr-theme";

  // The browser may forbid storage; the choice then lasts as long as the page.
  const stored = () => { try { return localStorage.getItem(key); } catch { return null; } };
  const store = (theme) => { try { localStorage.setItem(key, theme); } catch { /* as above */ } };

  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);

  function changed() {
    document.getElementById("theme").setAttribute("aria-pressed", String(isDark()));
    document.dispatchEvent(new Event("themechange"));
  }

  root.classList.add("js");
  if (stored() === "dark" || stored() === "light") root.dataset.theme = stored();

  document.addEventListener("DOMContentLoaded", () => {
    const button = document.getElementById("theme");
    button.hidden = false;
    button.addEventListener("click", () => {
      root.dataset.theme = isDark() ? "light" : "dark";
      store(root.dataset.theme);
      changed();
    });
    system.addEventListener("change", changed);
    changed();
  });
})();
