// The theme before the first paint: what was chosen, else what the system prefers. A plain script, so that it runs first.
"use strict";
(() => {
  let chosen = null;
  try {
    chosen = localStorage.getItem("upsim.theme");
  } catch {
    // Storage may be forbidden; the system's preference is good enough.
  }
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
})();
