// Message HTML as a Matrix client shows it: only what the specification suggests ("m.room.message msgtypes"), rebuilt
// node by node from an inert document. Nothing of the message's markup is inserted as it came.

const PLAIN = 'del h1 h2 h3 h4 h5 h6 blockquote p ul sup sub li b i u strong em s hr br table thead tbody tr th td caption pre details summary';
const ALLOWED = new Set(`${PLAIN} a ol code div span img font`.split(' '));
// Dropped together with what is in them; of other unknown tags only the tag is dropped.
const SWALLOWED = new Set(['script', 'style', 'textarea', 'option', 'noscript', 'template', 'title', 'mx-reply', 'svg', 'math', 'iframe', 'object']);
const SCHEMES = new Set(['https:', 'http:', 'ftp:', 'mailto:', 'magnet:']);
const COLOUR = /^#[0-9a-f]{6}$/i;
const DEEPEST = 50;

/** A fragment that is safe to insert. */
export function sanitise(html) {
  const inert = new DOMParser().parseFromString(html, 'text/html');
  const fragment = document.createDocumentFragment();
  copyChildren(inert.body, fragment, 0);
  return fragment;
}

function copyChildren(from, to, depth) {
  for (const node of from.childNodes) {
    if (node.nodeType === Node.TEXT_NODE) {
      to.append(node.data);
    } else if (node.nodeType === Node.ELEMENT_NODE) {
      copyElement(node, to, depth);
    }
  }
}

function copyElement(node, to, depth) {
  const tag = node.localName;
  if (SWALLOWED.has(tag) || depth > DEEPEST) return;
  const copy = ALLOWED.has(tag) ? rebuild(node, tag) : null;
  if (copy) to.append(copy);
  if (tag !== 'img') copyChildren(node, copy ?? to, depth + 1);
}

function rebuild(node, tag) {
  if (tag === 'img') return image(node);
  const copy = document.createElement(tag === 'font' ? 'span' : tag);
  if (tag === 'a') link(node, copy);
  if (tag === 'span' || tag === 'font') colours(node, copy);
  if (tag === 'span' && node.hasAttribute('data-mx-spoiler')) spoiler(node, copy);
  if (tag === 'ol' && /^-?\d{1,6}$/.test(node.getAttribute('start') ?? '')) copy.start = Number(node.getAttribute('start'));
  if (tag === 'code') copy.className = [...node.classList].filter((name) => /^language-[\w+-]+$/.test(name)).join(' ');
  if (tag === 'table') copy.tabIndex = 0;
  return copy;
}

// The stand-in has no media, and other addresses are never loaded: what is left is the description.
function image(node) {
  const copy = document.createElement('span');
  copy.className = 'image';
  copy.textContent = node.getAttribute('alt') || 'image';
  return copy;
}

function link(node, copy) {
  let url;
  try {
    url = new URL(node.getAttribute('href') ?? '');
  } catch {
    return;
  }
  if (!SCHEMES.has(url.protocol)) return;
  copy.href = url.href;
  copy.target = '_blank';
  copy.rel = 'noopener noreferrer';
  if (url.hostname === 'matrix.to' && url.hash.startsWith('#/@')) copy.className = 'pill';
}

function colours(node, copy) {
  const text = node.getAttribute('data-mx-color') ?? node.getAttribute('color') ?? '';
  const background = node.getAttribute('data-mx-bg-color') ?? '';
  // Set through the object model, which the page's policy allows; a style attribute would be refused.
  // A page in the dark lifts it a little, so that it is as readable as in the light.
  if (COLOUR.test(text)) copy.style.color = `light-dark(${text}, color-mix(in srgb, ${text} 86%, white))`;
  if (COLOUR.test(background)) copy.style.backgroundColor = background;
}

function spoiler(node, copy) {
  copy.className = 'spoiler';
  copy.tabIndex = 0;
  copy.setAttribute('role', 'button');
  copy.setAttribute('aria-expanded', 'false');
  copy.setAttribute('aria-label', node.getAttribute('data-mx-spoiler') || 'Spoiler');
  const reveal = () => {
    copy.setAttribute('aria-expanded', 'true');
    copy.removeAttribute('aria-label');
  };
  copy.addEventListener('click', reveal);
  copy.addEventListener('keydown', (event) => {
    if (event.key === 'Enter' || event.key === ' ') reveal();
  });
}
