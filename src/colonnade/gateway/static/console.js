// SPDX-License-Identifier: Apache-2.0
// The console's own script: keys, copying, focus after a swap. Every page can be read and every form sent without it.
(() => {
  "use strict";
  const $ = (selector, root = document) => root.querySelector(selector);
  const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
  const typing = (el) => el.matches?.("input, textarea, select, [contenteditable]");
  const visible = (el) => el.getClientRects().length > 0;
  let leader = 0; // when `g` was pressed

  function reveal(root) {
    $$("[data-copy][hidden], [data-keys][hidden]", root).forEach((el) => (el.hidden = false));
  }

  async function copy(button) {
    try {
      await navigator.clipboard.writeText(button.dataset.copy);
    } catch {
      const line = $("code", button.parentElement); // without permission: select it, so that one key copies it
      if (line) getSelection().selectAllChildren(line);
      return;
    }
    button.classList.add("done");
    const label = $(".hidden", button);
    const said = label?.textContent;
    if (label) label.textContent = "Copied";
    setTimeout(() => {
      button.classList.remove("done");
      if (label) label.textContent = said;
    }, 1600);
  }

  function move(step) {
    const items = $$("[data-list] [data-item]").filter(visible);
    if (!items.length) return;
    const at = items.indexOf(document.activeElement);
    const next = at < 0 ? (step > 0 ? 0 : items.length - 1) : Math.min(Math.max(at + step, 0), items.length - 1);
    items[next].focus();
    items[next].scrollIntoView({ block: "nearest" });
  }

  function search() {
    const field = $$("[data-search]").find(visible) ?? $("[data-find]");
    field.focus();
    field.select?.();
  }

  function press(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    const at = document.activeElement;
    if (event.key === "Enter" && !event.shiftKey && at.matches("[data-ask-form] textarea")) {
      event.preventDefault();
      if (at.value.trim()) at.form.requestSubmit();
      return;
    }
    if (event.key === "Escape") {
      $$("details.account[open]").forEach((el) => (el.open = false));
      if (typing(at) || at.matches("[data-item]")) at.blur();
      return;
    }
    if (typing(at) || $("dialog[open]")) return;
    if (leader && Date.now() - leader < 1500) {
      leader = 0;
      const link = $(`[data-go="${CSS.escape(event.key)}"]`);
      if (link) {
        event.preventDefault();
        link.click();
      }
      return;
    }
    leader = 0;
    const does = {
      g: () => (leader = Date.now()),
      j: () => move(1),
      k: () => move(-1),
      "/": search,
      "?": () => $("#keys").showModal(),
    }[event.key];
    if (does) {
      event.preventDefault();
      does();
    }
  }

  function click(event) {
    const button = event.target.closest?.("[data-copy]");
    if (button) copy(button);
    if (event.target.closest?.("[data-keys]")) $("#keys")?.showModal();
    $$("details.account[open]").forEach((el) => el.contains(event.target) || (el.open = false));
  }

  function swapped() {
    reveal(document);
    const heading = $("#main [data-focus]");
    if (heading && heading !== swapped.last) {
      swapped.last = heading;
      heading.focus({ preventScroll: true });
    }
  }

  document.addEventListener("keydown", press);
  document.addEventListener("click", click);
  document.addEventListener("htmx:after:swap", swapped);
  document.addEventListener("DOMContentLoaded", () => {
    reveal(document);
    if ($("mark#span") && !location.hash) $("mark#span").scrollIntoView({ block: "center" });
    const wanted = new URLSearchParams(location.search).get("q");
    const field = $("[data-ask-form] textarea");
    if (wanted && field && location.pathname === "/") field.setSelectionRange(field.value.length, field.value.length);
  });
})();
