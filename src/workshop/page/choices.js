// The selects and switches: which template, file and notification, and how the message is looked at.

const byId = (id) => document.getElementById(id);
const NARROW = matchMedia('(max-width: 900px)');

/** Fills a select with groups `[label, [[value, text], …]]`; keeps the choice if it is still there. */
export function fill(select, groups) {
  const text = JSON.stringify(groups);
  if (select.dataset.filled === text) return;
  const chosen = select.value;
  const options = (list) => list.map(([value, title]) => new Option(title, value));
  select.replaceChildren(...groups.flatMap(([label, list]) => {
    if (!label) return options(list);
    if (!list.length) return [];
    const group = document.createElement('optgroup');
    group.label = label;
    group.append(...options(list));
    return [group];
  }));
  select.dataset.filled = text;
  if ([...select.options].some((option) => option.value === chosen)) select.value = chosen;
}

/** Presets a group of radio buttons and calls back on each choice. */
export function onSwitch(name, preset, change) {
  const group = byId(name);
  const check = (value) => {
    group.querySelector(`input[value="${value}"]`).checked = true;
  };
  check(preset);
  group.addEventListener('change', change);
  return check;
}

/** The switches of the message: on a narrow screen one frame at a time, in the colours of the system. */
export function frameSwitches(change) {
  const own = () => (matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light');
  const scheme = onSwitch('scheme', NARROW.matches ? own() : 'both', change);
  const width = onSwitch('width', NARROW.matches ? 'phone' : 'both', change);
  NARROW.addEventListener('change', () => {
    scheme(NARROW.matches ? own() : 'both');
    width(NARROW.matches ? 'phone' : 'both');
    change();
  });
}

/** The two parts of the page as tabs: arrow keys go between them. */
export function tabs(names, shown) {
  const buttons = names.map((name) => byId(`tab-${name}`));
  const select = (index) => {
    names.forEach((name, at) => {
      buttons[at].setAttribute('aria-selected', String(at === index));
      buttons[at].tabIndex = at === index ? 0 : -1;
      byId(name).hidden = at !== index;
    });
    shown(names[index]);
  };
  buttons.forEach((button, index) => {
    button.addEventListener('click', () => select(index));
    button.addEventListener('keydown', (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      const next = (index + step + names.length) % names.length;
      buttons[next].focus();
      select(next);
    });
  });
}
