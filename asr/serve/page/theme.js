"use strict";

/* Runs before anything is painted: light or dark, as the reader chose last, or else as the system is set. */

(() => {
  const root = document.documentElement;
  const system = window.matchMedia("(prefers-color-scheme: dark)");
  const key = "asr-theme";

  // The browser may forbid storage; the choice then lasts as long as the page.
  const remembered = () => { try { return localStorage.getItem(key); } catch { return null; } };
  const remember = (theme) => { try { localStorage.setItem(key, theme); } catch { /* as above */ } };

  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);

  function changed() {
    document.getElementById("theme").setAttribute("aria-pressed", String(isDark()));
    document.dispatchEvent(new Event("themechange"));
  }

  if (remembered() === "dark" || remembered() === "light") root.dataset.theme = remembered();

  document.addEventListener("DOMContentLoaded", () => {
    document.getElementById("theme").hidden = false;
    changed();
    document.getElementById("theme").addEventListener("click", () => {
      root.dataset.theme = isDark() ? "light" : "dark";
      remember(root.dataset.theme);
      changed();
    });
    system.addEventListener("change", changed);
  });
})();
