// Keeps an open page up to date: fetches it again, and exchanges the parts that have changed.
// Everything works without this file; it adds the "/" key, too.
"use strict";

(() => {
  const every = Number(document.body.dataset.refresh) * 1000;
  const state = document.getElementById("live-state");
  let live = every > 0 && document.querySelector("[data-live]") !== null;
  let timer = 0;

  // A part in which somebody types or selects text stays as it is until he is done.
  const busy = (part) => {
    const selection = document.getSelection();
    return (
      part.querySelector("input:focus, textarea:focus, select:focus") !== null ||
      (selection !== null && !selection.isCollapsed && selection.containsNode(part, true))
    );
  };
  const reachable = (part) => [...part.querySelectorAll("a, button, summary, [tabindex]")];

  const exchange = (fresh) => {
    for (const part of document.querySelectorAll("[data-live]")) {
      const next = fresh.getElementById(part.id);
      if (next === null) return location.reload();
      if (busy(part)) continue;
      for (const open of part.querySelectorAll("details[open][id]")) {
        next.querySelector(`#${CSS.escape(open.id)}`)?.setAttribute("open", "");
      }
      const scrolled = [...part.querySelectorAll(".scroll, pre")].map((one) => [one.scrollLeft, one.scrollTop]);
      if (part.outerHTML === next.outerHTML) continue;
      const focused = reachable(part).indexOf(document.activeElement);
      part.replaceWith(next);
      if (focused >= 0) reachable(next)[focused]?.focus({ preventScroll: true });
      next.querySelectorAll(".scroll, pre").forEach((one, n) => one.scrollTo(...(scrolled[n] ?? [0, 0])));
    }
  };

  const show = (kind) => {
    button.dataset.state = kind;
    button.textContent = { on: "Live", off: "Paused", lost: "No connection" }[kind];
    button.title = kind === "off" ? "Keep this page up to date" : "Leave this page as it is";
  };

  const refresh = async () => {
    if (document.hidden) return again();
    try {
      const response = await fetch(location.href, { cache: "no-store", redirect: "error" });
      const text = await response.text();
      if (!live) return;
      if (!response.ok && response.status !== 503) return location.reload();
      if (response.ok) exchange(new DOMParser().parseFromString(text, "text/html"));
      show(response.ok ? "on" : "lost");
    } catch {
      if (live) show("lost");
    }
    again();
  };

  const again = () => {
    clearTimeout(timer);
    if (live) timer = setTimeout(refresh, every);
  };

  const button = document.createElement("button");
  button.type = "button";
  button.addEventListener("click", () => {
    live = !live;
    show(live ? "on" : "off");
    if (live) refresh();
  });
  if (live) {
    show("on");
    state.append(button);
    again();
    document.addEventListener("visibilitychange", () => !document.hidden && live && refresh());
  }

  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest("input, textarea, select, [contenteditable]");
    if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      document.getElementById("find").focus();
    }
  });
})();
