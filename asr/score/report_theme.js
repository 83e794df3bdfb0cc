"use strict";

/* Runs in the head, before anything is painted: light or dark, as the reader chose last, or else as the system is set. */

(() => {
  const root = document.documentElement;
  const system = window.matchMedia("(prefers-color-scheme: dark)");
  const key = "asr-report-theme";

  // The browser may forbid storage; the choice then lasts as long as the page.
  const remembered = () => { try { return localStorage.getItem(key); } catch { return null; } };
  const remember = (theme) => { try { localStorage.setItem(key, theme); } catch { /* as above */ } };

  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);

  function label() {
    const button = document.getElementById("theme");
    button.hidden = false;
    button.textContent = isDark() ? "Light colours" : "Dark colours";
  }

  root.classList.add("js");
  if (remembered() === "dark" || remembered() === "light") root.dataset.theme = remembered();

  document.addEventListener("DOMContentLoaded", () => {
    label();
    document.getElementById("theme").addEventListener("click", () => {
      root.dataset.theme = isDark() ? "light" : "dark";
      remember(root.dataset.theme);
      label();
    });
    system.addEventListener("change", label);
  });
})();
