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

/**
 * The switches of the message: on a narrow screen one frame at a time, in the colours of the system. Returns what is chosen, what
 * of it somebody chose, and what restores it.
 */
export function frameSwitches(change) {
  const chosen = new Set();
  const presets = () => (NARROW.matches
    ? { scheme: matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light', width: 'phone' }
    : { scheme: 'both', width: 'both' });
  const names = Object.keys(presets());
  const check = Object.fromEntries(names.map((name) => [name, onSwitch(name, presets()[name], () => {
    chosen.add(name);
    change();
  })]));
  const all = () => Object.fromEntries(names.map((name) => [name, byId(name).querySelector(':checked').value]));
  NARROW.addEventListener('change', () => {
    for (const name of names) check[name](presets()[name]);
    chosen.clear();
    change();
  });
  return {
    all,
    choices: () => Object.fromEntries(Object.entries(all()).filter(([name]) => chosen.has(name))),
    restore(asked) {
      for (const name of names) {
        const input = [...byId(name).querySelectorAll('input')].find((one) => one.value === asked[name]);
        // Two beside each other have no room on a narrow screen.
        if (!input || (NARROW.matches && asked[name] === 'both')) continue;
        check[name](asked[name]);
        chosen.add(name);
      }
    },
  };
}

/**
 * Parts of the page as tabs: arrow keys go between those that are seen. `prefix` begins the IDs of the buttons; `shown` is called
 * with the name of the part and brings it to sight. Returns what chooses a part by its name.
 */
export function tabs(names, prefix, shown) {
  const buttons = names.map((name) => byId(`${prefix}-${name}`));
  const select = (index) => {
    names.forEach((name, at) => {
      buttons[at].setAttribute('aria-selected', String(at === index));
      buttons[at].tabIndex = at === index ? 0 : -1;
    });
    shown(names[index]);
  };
  buttons.forEach((button, index) => {
    button.addEventListener('click', () => select(index));
    button.addEventListener('keydown', (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      let next = index;
      do next = (next + step + names.length) % names.length; while (!buttons[next].offsetParent);
      buttons[next].focus();
      select(next);
    });
  });
  return (name) => {
    if (names.includes(name)) select(names.indexOf(name));
  };
}

/**
 * What stands beside the editor, or, on a narrow screen, in its place: `edit`, `see` or `names`. `shown` is called with the choice.
 * Returns what chooses, and what brings the editor to sight where it is not.
 */
export function sides(shown) {
  const turn = tabs(['edit', 'see', 'names'], 'side', (name) => {
    byId('templates').dataset.view = name;
    shown(name);
  });
  const box = document.querySelector('.sides');
  const suit = () => {
    const { view } = byId('templates').dataset;
    // In the order in which they are seen: above everything on a narrow screen, and else beside the editor.
    if (NARROW.matches) byId('edit').before(box);
    else byId('edit').after(box);
    if (!NARROW.matches && view === 'edit') turn('see');
  };
  NARROW.addEventListener('change', suit);
  suit();
  return { turn, toEditor: () => { if (NARROW.matches) turn('edit'); } };
}
