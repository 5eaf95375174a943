// The templates folder as the relay has it, and the edits that exist in this browser only.
//
// An edit remembers the file's text that it started from. When the file changes meanwhile, the edit stays, and the user
// decides; when the file becomes the edit, the edit is over.

import * as place from './place.js';

// The relay takes in a saved file when it has seen it at rest; until then its list still has the old one.
const SEEN_MS = 10_000;

/** What is known of the files; `apply` takes a newer state from the relay. */
export class Folder {
  files = new Map();
  #edits = new Map(place.drafts());
  #saved = new Map();
  /** Whether the browser keeps the edits over a reload. */
  kept = true;

  /** Takes the relay's list; returns the paths whose text on disk is another one now. */
  apply(templates) {
    const before = this.files;
    this.files = new Map(templates.map((entry) => [entry.file, this.#asSaved(entry)]));
    for (const file of this.#saved.keys()) {
      if (!this.files.has(file)) this.files.set(file, before.get(file));
    }
    for (const [file, edit] of this.#edits) {
      // A file that is gone takes no edit with it, nor has one that is new to wait for its first text.
      if (!this.files.has(file)) this.files.set(file, before.get(file) ?? blank(file));
      if (this.files.get(file).text === edit.text && !this.files.get(file).isNew) this.discard(file);
    }
    return [...this.files.values()].filter((entry) => before.get(entry.file)?.text !== entry.text).map((entry) => entry.file);
  }

  #asSaved(entry) {
    const saved = this.#saved.get(entry.file);
    if (!saved) return entry;
    if (entry.etag === saved.etag || !saved.before.has(entry.etag ?? null) || Date.now() > saved.until) {
      this.#saved.delete(entry.file);
      return entry;
    }
    return { ...entry, text: saved.text, etag: saved.etag, builtin: false };
  }

  /** The edit, or else the file. */
  text(file) {
    return this.#edits.get(file)?.text ?? this.files.get(file)?.text ?? '';
  }

  edit(file, text) {
    const entry = this.files.get(file);
    if (text === entry?.text && !entry.isNew) {
      this.discard(file);
      return;
    }
    const known = this.#edits.get(file);
    this.#keep(file, { text, base: known?.base ?? entry?.text ?? '', etag: known ? known.etag : entry?.etag ?? null });
  }

  #keep(file, edit) {
    this.#edits.set(file, edit);
    this.kept = place.keep(file, edit);
  }

  /** Gives an edit up; returns it for `restore`. */
  discard(file) {
    const edit = this.#edits.get(file);
    this.#edits.delete(file);
    place.keep(file, null);
    if (this.files.get(file)?.isNew) this.files.delete(file);
    return edit;
  }

  /** Takes back that an edit was given up. */
  restore(file, edit) {
    if (!this.files.has(file)) this.files.set(file, blank(file));
    this.#keep(file, edit);
  }

  /** The user has seen that the file changed and goes on with the edit. */
  keep(file) {
    const edit = this.#edits.get(file);
    const entry = this.files.get(file);
    if (edit) this.#keep(file, { ...edit, base: entry?.text ?? '', etag: entry?.etag ?? null });
  }

  /** A template that no file holds yet. */
  create(name, text) {
    const file = `${name}.md.j2`;
    if (!this.files.has(file)) this.files.set(file, blank(file));
    this.edit(file, text);
    return file;
  }

  /** The relay has written the text: the edit is over, unless it went on meanwhile. */
  saved(file, text, etag) {
    const entry = this.files.get(file);
    // The relay may not even have seen what was saved before this.
    const before = new Set([...(this.#saved.get(file)?.before ?? []), entry.etag ?? null]);
    this.#saved.set(file, { text, etag, before, until: Date.now() + SEEN_MS });
    this.files.set(file, { ...entry, text, etag, builtin: false, isNew: false, problem: null });
    const now = this.#edits.get(file)?.text;
    if (now === undefined || now === text) this.discard(file);
    else this.#keep(file, { text: now, base: text, etag });
  }

  /** What the relay has to find on disk for a save to be right; `null` for no file. */
  etag(file) {
    const edit = this.#edits.get(file);
    return (edit ? edit.etag : this.files.get(file)?.etag) ?? null;
  }

  edited(file) {
    return this.#edits.has(file);
  }

  /** Whether the file is not the one any more that the edit started from. */
  overtaken(file) {
    const edit = this.#edits.get(file);
    return edit !== undefined && edit.base !== (this.files.get(file)?.text ?? '');
  }

  get unsaved() {
    return [...this.#edits.keys()];
  }

  /** The files that can be edited for a template: its own, then the partials. */
  related(template) {
    const all = [...this.files.values()];
    return all.filter((entry) => entry.name === template || isPartial(entry));
  }

  get templates() {
    return [...this.files.values()].filter((entry) => !isPartial(entry));
  }
}

function blank(file) {
  const name = file.includes('/') ? null : file.replace(/\.md\.j2$/, '');
  return { name, file, builtin: false, text: '', etag: null, builtin_text: null, problem: null, isNew: true };
}

function isPartial(entry) {
  return !entry.name || entry.file.startsWith('partials/');
}
