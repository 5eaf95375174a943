// What is looked at stands in the address, so that a link shows the same to somebody else, also in a page that is open already, and
// the browser's way back works; drafts stay in this browser.

const PREFIX = `relay-draft:${new URL('../../', import.meta.url).pathname}:`;

// What is another place, to which one may want to go back; all else changes the place that one is at.
const PLACES = ['template', 'part'];

/** The choices in the address, by name. */
export function read() {
  return Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
}

/**
 * Puts choices into the address; empty ones are left out. Where the page arrives at an address that lacks something, or names what
 * is not there, it is only put right: the way back has to lead away from it.
 */
export function write(choices, isArrival = false) {
  const text = written(choices);
  if (location.hash.slice(1) === text) return;
  const before = read();
  const isElsewhere = !isArrival && location.hash && PLACES.some((name) => (before[name] ?? '') !== (choices[name] ?? ''));
  history[isElsewhere ? 'pushState' : 'replaceState'](null, '', text ? `#${text}` : location.pathname + location.search);
}

/** A link to choices. */
export function link(choices) {
  return new URL(`#${written(choices)}`, location.href).href;
}

function written(choices) {
  const given = Object.entries(choices).filter(([, value]) => value);
  return new URLSearchParams(given).toString().replaceAll('%3A', ':').replaceAll('%2F', '/').replaceAll('%2C', ',');
}

/** Calls back with the choices of an address that somebody else wrote: a link that was followed, or the way back. */
export function follow(moved) {
  addEventListener('hashchange', () => moved(read()));
}

/** The drafts that this browser keeps, as `[file, { text, base, etag }]`. */
export function drafts() {
  const found = [];
  for (let index = 0; index < localStorage.length; index += 1) {
    const key = localStorage.key(index);
    if (!key.startsWith(PREFIX)) continue;
    try {
      const draft = JSON.parse(localStorage.getItem(key));
      if (typeof draft?.text === 'string') found.push([key.slice(PREFIX.length), draft]);
    } catch {
      localStorage.removeItem(key);
    }
  }
  return found;
}

/** Keeps a draft, or forgets it. Says whether it is kept: a browser may have no room, or allow none. */
export function keep(file, draft) {
  try {
    if (draft) localStorage.setItem(PREFIX + file, JSON.stringify(draft));
    else localStorage.removeItem(PREFIX + file);
    return true;
  } catch {
    return false;
  }
}
