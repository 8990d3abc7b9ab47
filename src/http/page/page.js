// Keeps the page up to date in place: fetches the page that its address names, and changes what
// differs, node by node. Nothing that an answer holds is run or read as markup a second time: the
// nodes are those of the parsed page, and texts are set as texts.
"use strict";

/** From the end of one update to the beginning of the next, in milliseconds. */
const PERIOD = 3_000;
/** A page that takes long to load and to compare is updated more seldom by this factor. */
const REST = 10;
/** For one answer, in milliseconds. */
const PATIENCE = 10_000;
/** From the last key pressed in the filter to the update, in milliseconds. */
const TYPING = 250;

let timer;
let typing;
let running;
let updated = new Date();
/** What the reader has selected, as of the update that is under way. */
let selected;

/** Nodes of two versions of the page that have the same identity are one node. */
function identity(node) {
  return node instanceof Element ? `${node.localName} ${node.dataset.key ?? node.id}` : node.nodeName;
}

/** Whether a move of the node would end the reader's focus or selection. */
function isInUse(node) {
  const focused = document.activeElement;
  return (focused !== document.body && node.contains(focused)) || selected?.intersectsNode(node);
}

/** Brings the children of `parent` into this order, with few moves, and none of a child that is in
 * use: those before it go to the end until it is their turn. */
function arrange(parent, children) {
  let cursor = parent.firstChild;
  for (const child of children) {
    const isThere = child !== cursor && child.parentNode === parent;
    if (isThere && (child === cursor.nextSibling || isInUse(child))) {
      while (cursor !== child) {
        const next = cursor.nextSibling;
        parent.append(cursor);
        cursor = next;
      }
    }
    if (child === cursor) {
      cursor = cursor.nextSibling;
    } else {
      parent.insertBefore(child, cursor);
    }
  }
}

function mergeChildren(old, next) {
  const known = new Map();
  for (const child of old.childNodes) {
    const same = known.get(identity(child));
    if (same) {
      same.push(child);
    } else {
      known.set(identity(child), [child]);
    }
  }
  const children = Array.from(next.childNodes, (child) => {
    const found = known.get(identity(child))?.shift();
    if (!found) {
      return document.importNode(child, true);
    }
    merge(found, child);
    return found;
  });
  for (const gone of [...known.values()].flat()) {
    gone.remove();
  }
  arrange(old, children);
}

/** Makes `old` what `next` is, but for what belongs to the reader: selected text, what is typed or
 * ticked, and which details are open. */
function merge(old, next) {
  if (!(old instanceof Element)) {
    if (old.data !== next.data && !selected?.intersectsNode(old)) {
      old.data = next.data;
    }
    return;
  }
  if (old.localName === "input" && old.type !== "hidden") {
    return;
  }
  for (const { name, value } of next.attributes) {
    if (name !== "open" && old.getAttribute(name) !== value) {
      old.setAttribute(name, value);
    }
  }
  for (const name of old.getAttributeNames()) {
    if (name !== "open" && !next.hasAttribute(name)) {
      old.removeAttribute(name);
    }
  }
  mergeChildren(old, next);
}

function tellStale(reason) {
  const stale = document.getElementById("stale");
  const text = `Not up to date since ${updated.toLocaleTimeString()}: ${reason}`;
  if (stale.textContent !== text) {
    stale.textContent = text;
  }
  stale.hidden = false;
}

async function update() {
  // A page that nobody sees is updated as soon as somebody does.
  if (document.hidden) {
    return;
  }
  clearTimeout(timer);
  running?.abort();
  const own = new AbortController();
  running = own;
  const begun = performance.now();
  const deadline = setTimeout(() => own.abort(), PATIENCE);
  try {
    const answer = await fetch(location.href, { signal: own.signal, cache: "no-store" });
    const text = await answer.text();
    if (running === own && answer.ok) {
      const next = new DOMParser().parseFromString(text, "text/html");
      const selection = getSelection();
      // A range costs no layout of the page for each node that is compared with it.
      selected = selection.isCollapsed ? undefined : selection.getRangeAt(0);
      document.title = next.title;
      merge(document.body, next.body);
      updated = new Date();
    } else if (running === own) {
      tellStale(text);
    }
  } catch {
    if (running === own) {
      tellStale("the agent does not answer.");
    }
  }
  clearTimeout(deadline);
  if (running === own) {
    timer = setTimeout(update, Math.max(PERIOD, REST * (performance.now() - begun)));
  }
}

/** The address that the form would lead to. */
function address() {
  const query = new URLSearchParams(new FormData(document.getElementById("filter")));
  if (!query.get("q")) {
    query.delete("q");
  }
  return query.size ? `?${query}` : location.pathname;
}

document.addEventListener("click", (event) => {
  const link = event.target.closest("thead a");
  if (link && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
    event.preventDefault();
    history.pushState(null, "", link.href);
    update();
  }
});

document.addEventListener("submit", (event) => {
  event.preventDefault();
  history.pushState(null, "", address());
  update();
});

document.addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(() => {
    history.replaceState(null, "", address());
    update();
  }, TYPING);
});

addEventListener("popstate", () => {
  const form = document.getElementById("filter");
  const query = new URLSearchParams(location.search);
  form.q.value = query.get("q") ?? "";
  form.problems.checked = query.has("problems");
  update();
});

document.addEventListener("visibilitychange", update);
timer = setTimeout(update, PERIOD);
