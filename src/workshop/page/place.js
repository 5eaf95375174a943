// What is looked at stands in the address, so that a link shows the same to somebody else; drafts stay in this browser.

const PREFIX = `relay-draft:${new URL('../../', import.meta.url).pathname}:`;

/** The choices in the address: `template`, `file`, `show`, `steps`, `mode`, `side`, `part`. */
export function read() {
  return Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
}

/** Puts choices into the address; empty ones are left out. */
export function write(choices) {
  const given = Object.entries(choices).filter(([, value]) => value);
  const text = new URLSearchParams(given).toString().replaceAll('%3A', ':').replaceAll('%2F', '/').replaceAll('%2C', ',');
  if (location.hash.slice(1) !== text) history.replaceState(null, '', text ? `#${text}` : location.pathname + location.search);
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
