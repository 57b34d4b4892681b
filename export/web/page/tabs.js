/**
 * Tabs as the ARIA practices describe them: arrow keys move between them, Tab leaves.
 */

/** @param {HTMLElement} list With role "tablist"; its tabs name their panels in aria-controls. */
export function startTabs(list) {
  const tabs = [...list.querySelectorAll("[role=tab]")];
  const select = (chosen) => {
    for (const tab of tabs) {
      const is = tab === chosen;
      tab.setAttribute("aria-selected", is);
      tab.tabIndex = is ? 0 : -1;
      document.getElementById(tab.getAttribute("aria-controls")).hidden = !is;
    }
  };
  const moves = { ArrowLeft: -1, ArrowRight: 1 };
  for (const [i, tab] of tabs.entries()) {
    tab.addEventListener("click", () => select(tab));
    tab.addEventListener("keydown", ({ key }) => {
      if (!(key in moves)) return;
      const next = tabs[(i + moves[key] + tabs.length) % tabs.length];
      select(next);
      next.focus();
    });
  }
}
